// One thread's share of a matrix product: a block of the result, computed from packed panels.
//
// The right operand's columns are packed into panels as wide as a tile, [k, columns] each, that
// stay in the second cache level while all rows of the block pass by. Sums over k are cut at
// multiples of kDepth from the start, whatever the block, so an entry's value depends on its row,
// its column and nothing else.
#pragma once

#include <cstdint>

namespace fastweight::cpu {

/// Tiles sum over at most this many products before they add to memory.
constexpr int64_t kDepth = 256;

/// A matrix of which rows or columns are contiguous: entry (i, j) is data[i * rowStride + j *
/// columnStride], and one of the strides is 1.
struct Operand {
  const float* data = nullptr;
  int64_t rowStride = 0, columnStride = 1;

  Operand at(int64_t i, int64_t j) const {
    return {data + i * rowStride + j * columnStride, rowStride, columnStride};
  }
};

/// c = alpha * (a[0] b[0] + ... + a[terms - 1] b[terms - 1]) + beta * addend.
/// a [m, k], b [k, n], c and addend [m, n].
struct BlockProduct {
  int terms = 1;
  Operand a[2], b[2];
  int64_t m = 0, n = 0, k = 0;
  float alpha = 1, beta = 0;
  /// Not read where beta is 0; may be c.
  const float* addend = nullptr;
  int64_t addendLeading = 0;
  float* c = nullptr;
  int64_t cLeading = 0;
  /// Entries (i, j) with j > i + diagonal may be left out (and may be written).
  int64_t diagonal = INT64_MAX / 2;
};

/// Computes a block on the calling thread. Never fails: without memory for panels of a good size it
/// works with small ones.
void multiplyBlock(const BlockProduct& product);

/// Columns of a block for which the packed right operand fits the second cache level; a multiple of
/// the tile's columns.
int64_t blockColumns(int64_t k);

/// At least `floats` floats, aligned to 64 bytes, that this thread keeps between calls; null when
/// there is no memory. Slot 0 is multiplyBlock's; a slot's content ends with its next call.
float* threadScratch(int slot, int64_t floats);

}  // namespace fastweight::cpu
