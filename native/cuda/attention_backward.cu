// The backward of attention. The scores are computed again, a tile at a time, in two kernels: one
// whose blocks own queries and sum dq over keys, one whose blocks own keys and sum dk and dv over
// queries. So every sum has one owner and a fixed order.
#include <algorithm>

#include "cuda/attention_tiles.cuh"
#include "cuda/attention_variants.cuh"
#include "cuda/attention_wide_heads.h"
#include "cuda/cuda_device.h"

namespace fastweight::cuda {
namespace {

/// delta [batch, heads, queryTokens] = <output, outputCotangent> per query and head, a warp each.
__global__ void __launch_bounds__(kBlockThreads)
    attentionDeltaKernel(AttentionShape s, ConstMatrices output, ConstMatrices outputCotangent,
                         float* delta) {
  const int64_t item = int64_t{blockIdx.x} * (kBlockThreads / 32) + threadIdx.x / 32;
  if (item >= s.batch * s.heads * s.queryTokens) return;
  const int64_t head = item / s.queryTokens, query = item % s.queryTokens;
  const int64_t batch = head / s.heads, column = head % s.heads * s.headDim;
  const int64_t o = batch * output.stride + query * output.leading + column;
  const int64_t g = batch * outputCotangent.stride + query * outputCotangent.leading + column;
  float sum = 0;
  for (int64_t i = threadIdx.x % 32; i < s.headDim; i += 32) {
    sum += loadFloats<1>(output, o + i).value[0] * loadFloats<1>(outputCotangent, g + i).value[0];
  }
  sum = groupSum<32>(sum);
  if (threadIdx.x % 32 == 0) delta[item] = sum;
}

/// The packed operands and the rows' statistics.
template <typename Element>
struct BackwardOperands {
  const Element *q, *k, *v, *cotangent;
  const float *logSumExp, *delta;
};

/// Blocks own queries: dq = scale * (weights * (dO v^T - delta)) k.
template <typename Tiling>
__global__ void __launch_bounds__(Tiling::kThreads)
    attentionBackwardQKernel(AttentionShape s, int64_t tiles,
                             BackwardOperands<typename Tiling::Element> x, Matrices qCotangent) {
  using Element = typename Tiling::Element;
  constexpr int kKeyTiles = Tiling::kStreamed / 16, kOutTiles = Tiling::kDim / 16;
  Element* qRows = dynamicShared<Element>();
  Element* cotangentRows = qRows + Tiling::kRows * Tiling::kPitch;
  Element* buffers = cotangentRows + Tiling::kRows * Tiling::kPitch;
  const int64_t head = blockIdx.x / tiles, batch = head / s.heads;
  const int64_t first = (tiles - 1 - blockIdx.x % tiles) * Tiling::kRows;
  const int64_t end = smallerOf(first + Tiling::kRows, s.queryTokens);
  const Visibility visible(s, batch);
  const int64_t queries = head * s.queryTokens;
  copyTile<Tiling>(x.q + queries * Tiling::kDim, first, Tiling::kRows, s.queryTokens, qRows);
  copyTile<Tiling>(x.cotangent + queries * Tiling::kDim, first, Tiling::kRows, s.queryTokens,
                   cotangentRows);
  const int warpRow = static_cast<int>(threadIdx.x) / 32 * kTileRows * Tiling::kRowTiles;
  float logSumExp[Tiling::kRowTiles][2], delta[Tiling::kRowTiles][2];
  TokenRange keysOfRow[Tiling::kRowTiles][2];
  for (int r = 0; r < Tiling::kRowTiles; ++r) {
    for (int half = 0; half < 2; ++half) {
      const int64_t query = first + warpRow + r * kTileRows + laneGroup() + half * 8;
      const bool inside = query < s.queryTokens;
      logSumExp[r][half] = inside ? x.logSumExp[queries + query] : 0.0f;
      delta[r][half] = inside ? x.delta[queries + query] : 0.0f;
      keysOfRow[r][half] = visible.keysOf(query);
    }
  }
  Accumulator sums[Tiling::kRowTiles][kOutTiles][2];
  clear(sums);
  const TokenRange seenByAll = visible.keysOfEach(first, end);
  const Element* const heads[2] = {x.k + head * s.keyTokens * Tiling::kDim,
                                   x.v + head * s.keyTokens * Tiling::kDim};
  streamTiles<Tiling>(
      heads, visible.keysOfAll(first, end), s.keyTokens, buffers,
      [&](int64_t key, const Element* const(&tiles)[2]) {
        Accumulator weights[Tiling::kRowTiles][kKeyTiles][2];
        Accumulator products[Tiling::kRowTiles][kKeyTiles][2];
        scores<Tiling>(qRows + warpRow * Tiling::kPitch, tiles[0], weights);
        scores<Tiling>(cotangentRows + warpRow * Tiling::kPitch, tiles[1], products);
        const bool edge = key < seenByAll.begin || key + Tiling::kStreamed > seenByAll.end;
        forEntryPairs(weights, products, [&](int row, int column, float& weight, float& product) {
          const int r = row / kTileRows, half = row % kTileRows / 8;
          const float change =
              Tiling::Product::power(weight - logSumExp[r][half]) * (product - delta[r][half]);
          const TokenRange seen = keysOfRow[r][half];
          const bool hidden = edge && (key + column < seen.begin || key + column >= seen.end);
          product = hidden ? 0.0f : change;
        });
        accumulate<Tiling>(products, tiles[0], sums);
      });
  storeHead(sums, qCotangent, Storage::kFloat32, s, batch, head % s.heads, first + warpRow, end, 0,
            [&](int) { return s.scale; });
}

/// Blocks own keys, and kSlice of the columns of their cotangents:
/// dv = weights^T dO, dk = (weights * (dO v^T - delta))^T q, where q has its scale.
template <typename Tiling, int kSlice>
__global__ void __launch_bounds__(Tiling::kThreads)
    attentionBackwardKVKernel(AttentionShape s, int64_t tiles,
                              BackwardOperands<typename Tiling::Element> x, Matrices kCotangent,
                              Matrices vCotangent) {
  using Element = typename Tiling::Element;
  static_assert(Tiling::kRowTiles == 1, "two sums of all columns leave no registers for more");
  constexpr int kQueryTiles = Tiling::kStreamed / 16, kOutTiles = kSlice / 16;
  constexpr int kSlices = Tiling::kDim / kSlice;
  Element* kRows = dynamicShared<Element>();
  Element* vRows = kRows + Tiling::kRows * Tiling::kPitch;
  Element* buffers = vRows + Tiling::kRows * Tiling::kPitch;
  const int slice = static_cast<int>(blockIdx.x % kSlices) * kSlice;
  const int64_t item = blockIdx.x / kSlices;
  const int64_t head = item / tiles, batch = head / s.heads;
  const int64_t first = item % tiles * Tiling::kRows;
  const int64_t end = smallerOf(first + Tiling::kRows, s.keyTokens);
  const Visibility visible(s, batch);
  const int64_t keys = head * s.keyTokens, queries = head * s.queryTokens;
  copyTile<Tiling>(x.k + keys * Tiling::kDim, first, Tiling::kRows, s.keyTokens, kRows);
  copyTile<Tiling>(x.v + keys * Tiling::kDim, first, Tiling::kRows, s.keyTokens, vRows);
  const int warpRow = static_cast<int>(threadIdx.x) / 32 * kTileRows;
  const int64_t key = first + warpRow;
  Accumulator kSums[1][kOutTiles][2], vSums[1][kOutTiles][2];
  clear(kSums);
  clear(vSums);
  const Element* const heads[2] = {x.q + queries * Tiling::kDim,
                                   x.cotangent + queries * Tiling::kDim};
  streamTiles<Tiling>(
      heads, visible.queriesOfAll(first, end), s.queryTokens, buffers,
      [&](int64_t query, const Element* const(&tiles)[2]) {
        Accumulator weights[1][kQueryTiles][2], products[1][kQueryTiles][2];
        scores<Tiling>(kRows + warpRow * Tiling::kPitch, tiles[0], weights);
        scores<Tiling>(vRows + warpRow * Tiling::kPitch, tiles[1], products);
        const int64_t lastQuery = query + Tiling::kStreamed;
        const TokenRange seenByAll = visible.keysOfEach(query, lastQuery);
        const bool edge = lastQuery > s.queryTokens || first < seenByAll.begin ||
                          first + Tiling::kRows > seenByAll.end;
        forEntryPairs(weights, products, [&](int row, int column, float& weight, float& product) {
          const int64_t of = query + column;
          const bool inside = of < s.queryTokens;
          const float logSumExp = inside ? x.logSumExp[queries + of] : 0.0f;
          const float delta = inside ? x.delta[queries + of] : 0.0f;
          weight = Tiling::Product::power(weight - logSumExp);
          if (edge) {
            const TokenRange seen = visible.keysOf(of);
            if (key + row < seen.begin || key + row >= seen.end) weight = 0;
          }
          product = weight == 0.0f ? 0.0f : weight * (product - delta);
        });
        accumulate<Tiling>(weights, tiles[1] + slice, vSums);
        accumulate<Tiling>(products, tiles[0] + slice, kSums);
      });
  const auto one = [](int) { return 1.0f; };
  storeHead(kSums, kCotangent, Storage::kFloat32, s, batch, head % s.heads, key, end, slice, one);
  storeHead(vSums, vCotangent, Storage::kFloat32, s, batch, head % s.heads, key, end, slice, one);
}

template <typename Product, int kDim>
struct Backward {
  /// Where rows are 1 KB, two tiles of 64 would not fit in an A100's shared memory.
  static constexpr int kWarps = kDim * sizeof(typename Product::Element) > 512 ? 2 : 4;
  using QTiling = AttentionTiling<Product, kDim, kWarps, 1, 64>;
  using KVTiling = AttentionTiling<Product, kDim, kWarps, 1, 32>;
  static constexpr int kSlice = kDim < 128 ? kDim : 128;

  static Status run(Stream& stream, DeviceMemory& memory, const AttentionBackward& a) {
    const AttentionShape& s = a.shape;
    constexpr int64_t kQBytes = QTiling::sharedBytes(2, 2), kKVBytes = KVTiling::sharedBytes(2, 2);
    if (std::max(kQBytes, kKVBytes) > stream.sharedBytes()) {
      return attentionBackwardOfWideHeads(stream, memory, a);
    }
    const int64_t queries = s.batch * s.heads * s.queryTokens;
    const Scratch delta(stream, memory, static_cast<size_t>(queries) * sizeof(float));
    const PackedHeads<Product, kDim> q(stream, memory, s, a.q, s.queryTokens, s.scale);
    const PackedHeads<Product, kDim> k(stream, memory, s, a.k, s.keyTokens, 1);
    const PackedHeads<Product, kDim> v(stream, memory, s, a.v, s.keyTokens, 1);
    const PackedHeads<Product, kDim> cotangent(stream, memory, s, a.outputCotangent, s.queryTokens,
                                               1);
    const bool noDelta = delta.isNull() && queries > 0;
    if (noDelta || q.isNull() || k.isNull() || v.isNull() || cotangent.isNull()) {
      return stream.takeFailure();
    }
    constexpr const char* kWhat = "attention's backward";
    launch(stream, kWhat, {divideUp(queries, kBlockThreads / 32)}, attentionDeltaKernel, s,
           a.output, a.outputCotangent, delta.floats());
    const BackwardOperands<typename Product::Element> x = {
        q.data(), k.data(), v.data(), cotangent.data(), a.logSumExp, delta.floats()};
    const int64_t queryTiles = divideUp(s.queryTokens, QTiling::kRows);
    launch(stream, kWhat, {s.batch * s.heads * queryTiles, QTiling::kThreads, kQBytes},
           attentionBackwardQKernel<QTiling>, s, queryTiles, x, a.qCotangent);
    const int64_t keyTiles = divideUp(s.keyTokens, KVTiling::kRows);
    launch(stream, kWhat,
           {s.batch * s.heads * keyTiles * (kDim / kSlice), KVTiling::kThreads, kKVBytes},
           attentionBackwardKVKernel<KVTiling, kSlice>, s, keyTiles, x, a.kCotangent, a.vCotangent);
    return Status::ok();
  }
};

}  // namespace

Status CudaDevice::attentionBackward(const AttentionBackward& a) {
  if (a.shape.headDim > kWidestTiledHead) return attentionBackwardOfWideHeads(stream_, memory_, a);
  return runVariant<Backward>(precision_, a.shape.headDim, stream_, memory_, a);
}

}  // namespace fastweight::cuda
