// Tiled attention with an online softmax: a block takes a tile of queries and streams keys and
// values past them. Scores never leave the registers.
#include "cuda/attention_tiles.cuh"
#include "cuda/attention_variants.cuh"
#include "cuda/attention_wide_heads.h"
#include "cuda/cuda_device.h"

namespace fastweight::cuda {
namespace {

/// A row's largest score so far, and the sum of e^(score - largest), in two rows of a row tile.
struct RunningSoftmax {
  float largest[2], sum[2];
};

/// Turns scores into e^(score - largest) and scales what was summed before.
template <typename Tiling, int n, int m>
__device__ __forceinline__ void softmaxStep(Accumulator (&scores)[Tiling::kRowTiles][n][2],
                                            RunningSoftmax (&running)[Tiling::kRowTiles],
                                            Accumulator (&sums)[Tiling::kRowTiles][m][2]) {
#pragma unroll
  for (int r = 0; r < Tiling::kRowTiles; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float largest = running[r].largest[half];
#pragma unroll
      for (int i = 0; i < 2 * n; ++i) {
        const float (&values)[4] = scores[r][i / 2][i % 2].value;
        largest = fmaxf(largest, fmaxf(values[2 * half], values[2 * half + 1]));
      }
      largest = fmaxf(largest, ofPartner(largest, 1));
      largest = fmaxf(largest, ofPartner(largest, 2));
      const float factor = Tiling::Product::power(running[r].largest[half] - largest);
      running[r].largest[half] = largest;
      float sum = 0;
#pragma unroll
      for (int i = 0; i < 2 * n; ++i) {
        float (&values)[4] = scores[r][i / 2][i % 2].value;
        values[2 * half] = Tiling::Product::power(values[2 * half] - largest);
        values[2 * half + 1] = Tiling::Product::power(values[2 * half + 1] - largest);
        sum += values[2 * half] + values[2 * half + 1];
      }
      // A lane's own columns; the lanes' sums are added at the end.
      running[r].sum[half] = running[r].sum[half] * factor + sum;
#pragma unroll
      for (int i = 0; i < 2 * m; ++i) {
        sums[r][i / 2][i % 2].value[2 * half] *= factor;
        sums[r][i / 2][i % 2].value[2 * half + 1] *= factor;
      }
    }
  }
}

template <typename Tiling>
__global__ void __launch_bounds__(Tiling::kThreads)
    attentionKernel(AttentionShape s, int64_t tiles, const typename Tiling::Element* q,
                    const typename Tiling::Element* k, const typename Tiling::Element* v,
                    Matrices output, Storage storage, float* logSumExp) {
  using Element = typename Tiling::Element;
  constexpr int kKeyTiles = Tiling::kStreamed / 16, kOutTiles = Tiling::kDim / 16;
  Element* rows = dynamicShared<Element>();
  Element* buffers = rows + Tiling::kRows * Tiling::kPitch;
  const int64_t head = blockIdx.x / tiles, batch = head / s.heads;
  // The last tiles see the most keys; they start first.
  const int64_t first = (tiles - 1 - blockIdx.x % tiles) * Tiling::kRows;
  const int64_t end = smallerOf(first + Tiling::kRows, s.queryTokens);
  const Visibility visible(s, batch);
  copyTile<Tiling>(q + head * s.queryTokens * Tiling::kDim, first, Tiling::kRows, s.queryTokens,
                   rows);
  const int warpRow = static_cast<int>(threadIdx.x) / 32 * kTileRows * Tiling::kRowTiles;
  Accumulator sums[Tiling::kRowTiles][kOutTiles][2];
  clear(sums);
  RunningSoftmax running[Tiling::kRowTiles];
  TokenRange keysOfRow[Tiling::kRowTiles][2];
  for (int r = 0; r < Tiling::kRowTiles; ++r) {
    for (int half = 0; half < 2; ++half) {
      running[r].largest[half] = -3.40282347e38f;
      running[r].sum[half] = 0;
      keysOfRow[r][half] = visible.keysOf(first + warpRow + r * kTileRows + laneGroup() + half * 8);
    }
  }
  const TokenRange seenByAll = visible.keysOfEach(first, end);
  const Element* const heads[2] = {k + head * s.keyTokens * Tiling::kDim,
                                   v + head * s.keyTokens * Tiling::kDim};
  streamTiles<Tiling>(heads, visible.keysOfAll(first, end), s.keyTokens, buffers,
                      [&](int64_t key, const Element* const(&tiles)[2]) {
                        Accumulator weights[Tiling::kRowTiles][kKeyTiles][2];
                        scores<Tiling>(rows + warpRow * Tiling::kPitch, tiles[0], weights);
                        if (key < seenByAll.begin || key + Tiling::kStreamed > seenByAll.end) {
                          forEntries(weights, [&](int row, int column, float& score) {
                            const TokenRange seen = keysOfRow[row / kTileRows][row % kTileRows / 8];
                            if (key + column < seen.begin || key + column >= seen.end)
                              score = -HUGE_VALF;
                          });
                        }
                        softmaxStep<Tiling>(weights, running, sums);
                        accumulate<Tiling>(weights, tiles[1], sums);
                      });
  float scales[Tiling::kRowTiles][2];
#pragma unroll
  for (int r = 0; r < Tiling::kRowTiles; ++r) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = running[r].sum[half];
      sum += ofPartner(sum, 1);
      sum += ofPartner(sum, 2);
      scales[r][half] = 1.0f / sum;
      const int64_t query = first + warpRow + r * kTileRows + laneGroup() + half * 8;
      if (laneOfGroup() == 0 && query < s.queryTokens) {
        logSumExp[head * s.queryTokens + query] =
            running[r].largest[half] + static_cast<float>(log(static_cast<double>(sum)));
      }
    }
  }
  storeHead(sums, output, storage, s, batch, head % s.heads, first + warpRow, end, 0,
            [&](int row) { return scales[row / kTileRows][row % kTileRows / 8]; });
}

template <typename Product, int kDim>
struct Forward {
  // Two row tiles use an operand from shared memory twice, where there are registers for them.
  static constexpr int kRowTiles = std::is_same_v<Product, Float32Product> || kDim > 128 ? 1 : 2;
  using Tiling = AttentionTiling<Product, kDim, 4, kRowTiles, 64>;

  static Status run(Stream& stream, DeviceMemory& memory, const Attention& a) {
    const AttentionShape& s = a.shape;
    constexpr int64_t kSharedBytes = Tiling::sharedBytes(1, 2);
    if (kSharedBytes > stream.sharedBytes()) return attentionOfWideHeads(stream, a);
    const PackedHeads<Product, kDim> q(stream, memory, s, a.q, s.queryTokens, s.scale);
    const PackedHeads<Product, kDim> k(stream, memory, s, a.k, s.keyTokens, 1);
    const PackedHeads<Product, kDim> v(stream, memory, s, a.v, s.keyTokens, 1);
    if (q.isNull() || k.isNull() || v.isNull()) return stream.takeFailure();
    const int64_t tiles = divideUp(s.queryTokens, Tiling::kRows);
    launch(stream, "attention", {s.batch * s.heads * tiles, Tiling::kThreads, kSharedBytes},
           attentionKernel<Tiling>, s, tiles, q.data(), k.data(), v.data(), a.output,
           a.outputStorage, a.logSumExp);
    return Status::ok();
  }
};

}  // namespace

Status CudaDevice::attention(const Attention& a) {
  if (a.shape.headDim > kWidestTiledHead) return attentionOfWideHeads(stream_, a);
  return runVariant<Forward>(precision_, a.shape.headDim, stream_, memory_, a);
}

}  // namespace fastweight::cuda
