// How a product of a warpgroup, four warps side by side, holds its operands and sums. With warp w
// of the group, g = lane / 4 and t = lane % 4, entry 4 j + 2 i + e of a thread's sums is row 16 w +
// 8 i + g, column 8 j + 2 t + e.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace fastweight::cuda {

constexpr int kWarpgroupThreads = 128;
/// A product of a warpgroup: sums [64, 128] += a [64, 16] b [16, 128].
constexpr int kProductRows = 64, kProductColumns = 128, kProductDepth = 16;
constexpr int kProductSums = kProductRows * kProductColumns / kWarpgroupThreads;

/// A tile of an operand in shared memory: lines of 64 entries, 128 bytes, whose 16-byte pieces lie
/// at their place with the line's number modulo 8 xored to it (swizzle of 128 bytes). It starts on
/// 1024 bytes. A line is a row of a (a column of b), 64 deep; or, where the operand lies
/// `depthwise`, 64 rows (columns) at one depth, with 64 lines a tile and tiles side by side.
struct TileInShared {
  static constexpr int kLineBytes = 128, kEightLines = 8 * kLineBytes;

  /// The descriptor of what a product takes at depths [16 step, 16 step + 16) of a tile at an
  /// `address` of shared memory (PTX ISA, "Matrix descriptor format").
  template <bool depthwise>
  static __host__ __device__ uint64_t descriptor(uint32_t address, int step) {
    constexpr uint64_t kSwizzle128 = uint64_t{1} << 62;
    // Bytes from eight lines to the next eight, and from a tile to the next, sixteen at a time.
    constexpr uint64_t kStride = uint64_t{kEightLines / 16} << 32;
    constexpr uint64_t kLeading = uint64_t{depthwise ? 64 * kLineBytes / 16 : 1} << 16;
    const uint32_t offset =
        static_cast<uint32_t>(step) * (depthwise ? 2u * kEightLines : 2u * kProductDepth);
    return kSwizzle128 | kStride | kLeading | (((address + offset) & 0x3ffffu) >> 4);
  }
};

}  // namespace fastweight::cuda
