// Batched products by blocks of three warpgroups on Hopper: one copies tiles of the operands to
// shared memory, stages ahead, and two multiply them and finish the results. A block stays and
// takes one tile of the results after another, so that the copies of the next tile run while the
// results of this one are written.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "cuda/shared_memory.cuh"
#include "cuda/tensor_copy.cuh"
#include "cuda/warpgroup.cuh"

namespace fastweight::cuda {

/// Rows of a tile of results, columns of a part of it, and depth that a stage holds.
constexpr int kTileRows = 2 * kProductRows, kPartColumns = kProductColumns, kStageDepth = 64;
constexpr int kTileThreads = 3 * kWarpgroupThreads;
constexpr int kPartBytes = kPartColumns * kStageDepth * 2;
static_assert(kPartColumns == kTileRows, "tiles of both operands have one size");

/// The shared memory of a block whose tiles have `kParts` parts: stages, each an operand tile of
/// the rows and one of every part's columns.
template <int kParts>
struct StagePlan {
  static constexpr int kBytes = kPartBytes * (1 + kParts);
  static constexpr int kStages = kParts == 1 ? 6 : 4;
  /// With room to start on 1024 bytes, and for the barriers.
  static constexpr int kSharedBytes = 1024 + kStages * kBytes + 128;
};

/// One pair of operands of a group: results += a b over `depth`.
struct TilePair {
  CUtensorMap a, b;
  int depth;
  /// 1, or 0 where all matrices of the batch share the operand.
  int aBatchStep, bBatchStep;
};

/// Products of one shape. A tile has `parts` parts of up to kPartColumns columns; b's rows for part
/// p start `partDistance` * p behind those of part 0.
struct TileGroup {
  TilePair pairs[2];
  int pairCount;
  int batch, rows, columns;
  int rowTiles, columnTiles;
  /// Columns from a tile to the next, and from part to part.
  int tileColumns, partDistance;
  /// Whether only tiles that reach below the diagonal are wanted: kTileRows squares.
  bool triangular;

  __host__ __device__ int tilesOfMatrix() const {
    return triangular ? rowTiles * (rowTiles + 1) / 2 : rowTiles * columnTiles;
  }
  __host__ __device__ int tiles() const { return batch * tilesOfMatrix(); }
};

/// A tile of results: its group, its matrix, and where it starts there.
struct TilePlace {
  int group, batch, row, column;
};

constexpr int kMostGroups = 2;

template <typename Epilogue>
struct TileWork {
  TileGroup groups[kMostGroups];
  Epilogue epilogues[kMostGroups];
  int groupCount;

  __host__ __device__ int tiles() const {
    int sum = 0;
    for (int i = 0; i < groupCount; ++i) sum += groups[i].tiles();
    return sum;
  }

  /// Tiles that run at the same time share columns: their rows come first.
  __device__ __forceinline__ TilePlace place(int index) const {
    int group = 0;
    if (groupCount > 1 && index >= groups[0].tiles()) {
      index -= groups[0].tiles();
      group = 1;
    }
    const TileGroup& g = groups[group];
    const int ofMatrix = g.tilesOfMatrix();
    const int batch = index / ofMatrix, within = index % ofMatrix;
    int row, column;
    if (g.triangular) {
      row = 0;
      while ((row + 1) * (row + 2) / 2 <= within) ++row;
      column = within - row * (row + 1) / 2;
    } else {
      row = within % g.rowTiles;
      column = within / g.rowTiles;
    }
    return {group, batch, row * kTileRows, column * g.tileColumns};
  }
};

/// The stages in shared memory: which is next, and the parity of its phase.
template <int kStages>
struct StageCursor {
  int stage = 0;
  uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/// Copies the operands of all of the block's tiles; one thread.
template <bool aDepthwise, bool bDepthwise, int kParts, typename Work>
__device__ __forceinline__ void copyTiles(const Work& work, unsigned char* tiles,
                                          CopyBarrier* filled, CopyBarrier* used) {
  StageCursor<StagePlan<kParts>::kStages> at;
  const auto copy = [&](unsigned char* to, const CUtensorMap& map, bool depthwise, int row,
                        int depth, int batch) {
    if (depthwise) {
      copyBox(to, map, filled[at.stage], row, depth, batch);
      copyBox(to + kPartBytes / 2, map, filled[at.stage], row + 64, depth, batch);
    } else {
      copyBox(to, map, filled[at.stage], depth, row, batch);
    }
  };
  const int count = work.tiles();
  for (int index = static_cast<int>(blockIdx.x); index < count;
       index += static_cast<int>(gridDim.x)) {
    const TilePlace place = work.place(index);
    const TileGroup& group = work.groups[place.group];
    for (int i = 0; i < group.pairCount; ++i) {
      const TilePair& pair = group.pairs[i];
      for (int depth = 0; depth < pair.depth; depth += kStageDepth) {
        used[at.stage].wait(at.parity ^ 1);
        filled[at.stage].arriveExpecting(static_cast<uint32_t>(StagePlan<kParts>::kBytes));
        unsigned char* const stage = tiles + at.stage * StagePlan<kParts>::kBytes;
        copy(stage, pair.a, aDepthwise, place.row, depth, place.batch * pair.aBatchStep);
        for (int part = 0; part < kParts; ++part) {
          copy(stage + (1 + part) * kPartBytes, pair.b, bDepthwise,
               place.column + part * group.partDistance, depth, place.batch * pair.bBatchStep);
        }
        at.advance();
      }
    }
  }
}

/// A thread's sums of a tile, and where they lie.
template <int kParts>
struct TileSums {
  float part[kParts][kProductSums];
};

/// Multiplies what copyTiles() brings and hands each tile's sums to its group's epilogue:
/// epilogue.finish(group, place, row of the warp's first, sums).
template <typename Element, bool aDepthwise, bool bDepthwise, int kParts, typename Work>
__device__ __forceinline__ void multiplyAndFinish(const Work& work, const unsigned char* tiles,
                                                  CopyBarrier* filled, CopyBarrier* used) {
  const int thread = static_cast<int>(threadIdx.x) - kWarpgroupThreads;
  const int warpgroup = thread / kWarpgroupThreads, warp = thread / 32 % 4;
  StageCursor<StagePlan<kParts>::kStages> at;
  const int count = work.tiles();
  for (int index = static_cast<int>(blockIdx.x); index < count;
       index += static_cast<int>(gridDim.x)) {
    const TilePlace place = work.place(index);
    const TileGroup& group = work.groups[place.group];
    int steps = 0;
    for (int i = 0; i < group.pairCount; ++i) {
      steps += (group.pairs[i].depth + kStageDepth - 1) / kStageDepth;
    }
    TileSums<kParts> sums;
    CopyBarrier* before = nullptr;
    for (int step = 0; step < steps; ++step) {
      filled[at.stage].wait(at.parity);
      const uint32_t stage = sharedAddress(tiles + at.stage * StagePlan<kParts>::kBytes);
      const uint32_t a = stage + static_cast<uint32_t>(warpgroup * kPartBytes / 2);
      beginProducts();
#pragma unroll
      for (int k = 0; k < kStageDepth / kProductDepth; ++k) {
#pragma unroll
        for (int part = 0; part < kParts; ++part) {
          const uint32_t b = stage + static_cast<uint32_t>((1 + part) * kPartBytes);
          multiplyTiles<Element, aDepthwise, bDepthwise>(
              sums.part[part], TileInShared::descriptor<aDepthwise>(a, k),
              TileInShared::descriptor<bDepthwise>(b, k), step > 0 || k > 0);
        }
      }
      endProducts();
      // The stage before is no longer read.
      waitForProducts<1>();
      if (before != nullptr && thread % 32 == 0) before->arrive();
      before = &used[at.stage];
      at.advance();
    }
    waitForProducts<0>();
    for (float (&part)[kProductSums] : sums.part) takeSums(part);
    if (before != nullptr && thread % 32 == 0) before->arrive();
    work.epilogues[place.group].finish(group, place,
                                       place.row + warpgroup * kProductRows + warp * 16, sums);
  }
}

/// Operands are as TileInShared says: `depthwise` where an operand's rows (a) or columns (b) are
/// next to each other in memory.
template <typename Element, bool aDepthwise, bool bDepthwise, int kParts, typename Epilogue>
__global__ void __launch_bounds__(kTileThreads, 1)
    tileProductKernel(const __grid_constant__ TileWork<Epilogue> work) {
  constexpr int kStages = StagePlan<kParts>::kStages;
  unsigned char* const shared = dynamicShared<unsigned char>();
  unsigned char* const tiles = shared + (1024 - sharedAddress(shared) % 1024) % 1024;
  CopyBarrier* const filled =
      reinterpret_cast<CopyBarrier*>(tiles + kStages * StagePlan<kParts>::kBytes);
  CopyBarrier* const used = filled + kStages;
  if (threadIdx.x == 0) {
    constexpr uint32_t kWarpsThatRead = 8;
    for (int stage = 0; stage < kStages; ++stage) {
      filled[stage].start(1);
      used[stage].start(kWarpsThatRead);
    }
    publishBarriers();
  }
  __syncthreads();
  if (threadIdx.x < kWarpgroupThreads) {
    shrinkRegisters<40>();
    if (threadIdx.x == 0) {
      copyTiles<aDepthwise, bDepthwise, kParts>(work, tiles, filled, used);
    }
  } else {
    growRegisters<232>();
    multiplyAndFinish<Element, aDepthwise, bDepthwise, kParts>(work, tiles, filled, used);
  }
}

}  // namespace fastweight::cuda
