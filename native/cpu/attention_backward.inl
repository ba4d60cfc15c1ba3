// The backward of attention in one pass: tiles of keys lie in the columns, the queries that see
// them stream by, and each tile of scores, computed once, gives its share of all three cotangents.
#pragma once

#include "cpu/attention.inl"

namespace fastweight::cpu::FASTWEIGHT_ISA {

/// As fillBeforeFirstKeys of a tile whose rows are `count` queries, its columns keys from `key` on.
static inline void fillFromFirstKeys(const int32_t* firstKeys, int64_t count, int64_t key,
                                     float value, float* tile) {
  if (firstKeys == nullptr || firstKeys[count - 1] <= key) return;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < kColumns && key + c < firstKeys[r]; ++c) {
      tile[r * kColumns + c] = value;
    }
  }
}

/// delta [batch, heads, queryTokens] = sum of output * outputCotangent, for rows [begin, end) of
/// it.
static void attentionDelta(const AttentionBackward& a, float* delta, int64_t begin, int64_t end) {
  const AttentionShape& s = a.shape;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t head = row / s.queryTokens, t = row % s.queryTokens;
    const HeadRows output = headOf(a.output, s, head / s.heads, head % s.heads);
    const HeadRows cotangent = headOf(a.outputCotangent, s, head / s.heads, head % s.heads);
    const float* o = output.data + t * output.stride;
    const float* g = cotangent.data + t * cotangent.stride;
    delta[row] = sumOver(
        s.headDim, [=](int64_t i) { return load(o + i) * load(g + i); },
        [=](int64_t i) { return o[i] * g[i]; });
  }
}

/// sums [count, width] += tile [count, kColumns] x [keys, width], for `vectors` vectors of a row of
/// x and of sums.
template <int vectors>
static inline void accumulateVectors(const float* tile, int64_t count, const float* x,
                                     int64_t xStride, int64_t keys, float* sums, int64_t stride) {
  for (int64_t r0 = 0; r0 < count; r0 += kBlock) {
    Lanes total[kBlock][vectors] = {};
    for (int64_t c = 0; c < keys; ++c) {
      Lanes right[vectors];
      for (int v = 0; v < vectors; ++v) right[v] = load(x + c * xStride + v * kLanes);
      for (int r = 0; r < kBlock; ++r) {
        const float value = tile[(r0 + r) * kColumns + c];
        for (int v = 0; v < vectors; ++v) total[r][v] += value * right[v];
      }
    }
    for (int r = 0; r < kBlock && r0 + r < count; ++r) {
      float* sum = sums + (r0 + r) * stride;
      for (int v = 0; v < vectors; ++v) {
        store(sum + v * kLanes, load(sum + v * kLanes) + total[r][v]);
      }
    }
  }
}

/// sums [count, headDim] += tile [count, kColumns] x [keys, headDim].
static inline void accumulateRows(const float* tile, int64_t count, HeadRows x, int64_t first,
                                  int64_t keys, int64_t headDim, float* sums, int64_t stride) {
  const float* from = x.data + first * x.stride;
  int64_t d = 0;
  for (; d + kColumns <= headDim; d += kColumns) {
    accumulateVectors<kVectors>(tile, count, from + d, x.stride, keys, sums + d, stride);
  }
  for (; d + kLanes <= headDim; d += kLanes) {
    accumulateVectors<1>(tile, count, from + d, x.stride, keys, sums + d, stride);
  }
  for (; d < headDim; ++d) {
    for (int64_t r = 0; r < count; ++r) {
      float sum = 0;
      for (int64_t c = 0; c < keys; ++c) sum += tile[r * kColumns + c] * from[c * x.stride + d];
      sums[r * stride + d] += sum;
    }
  }
}

/// Adds a tile of keys' share to the queries' cotangents and writes the keys' and values' own.
static void attentionBackwardTile(const AttentionBackward& a, const float* delta,
                                  const AttentionSegment& segment, int64_t first, int64_t keyCount,
                                  float* scratch) {
  const AttentionShape& s = a.shape;
  const int64_t state = s.headDim * kColumns;
  const int64_t offset = s.keyTokens - s.queryTokens;
  float* kPacked = scratch;
  float* vPacked = scratch + state;
  float* kSums = scratch + 2 * state;
  float* vSums = scratch + 3 * state;
  float* weights = scratch + 4 * state;
  float* products = weights + kStreamed * kColumns;
  const HeadRows q = headOf(a.q, s, segment.b, segment.h);
  const HeadRows k = headOf(a.k, s, segment.b, segment.h);
  const HeadRows cotangent = headOf(a.outputCotangent, s, segment.b, segment.h);
  packColumns(k, first, keyCount, s.headDim, s.scale, kPacked);
  packColumns(headOf(a.v, s, segment.b, segment.h), first, keyCount, s.headDim, 1, vPacked);
  for (int64_t i = 0; i < state; ++i) kSums[i] = vSums[i] = 0;
  const int64_t row0 = (segment.b * s.heads + segment.h) * s.queryTokens;
  const TokenRange queries = queriesOf(s, segment.b, first, keyCount);
  for (int64_t query = queries.begin; query < queries.end; query += kStreamed) {
    const int64_t count = queries.end - query < kStreamed ? queries.end - query : kStreamed;
    tileProduct(q, query, count, s.headDim, kPacked, weights);
    tileProduct(cotangent, query, count, s.headDim, vPacked, products);
    for (int64_t r = 0; r < count; ++r) {
      const float logSumExp = a.logSumExp[row0 + query + r];
      const float deltaOfRow = delta[row0 + query + r];
      float* weight = weights + r * kColumns;
      float* product = products + r * kColumns;
      for (int c = 0; c < kColumns; ++c) {
        weight[c] = exponential(weight[c] - logSumExp);
        product[c] = s.scale * (weight[c] * (product[c] - deltaOfRow));
      }
    }
    const int64_t lower = query + offset - s.window + 1 - first;
    const int32_t* firstKeys = firstKeysOf(s, segment.b, query);
    for (float* tile : {weights, products}) {
      fillOutsideWindow(s, count, lower, 0, tile);
      fillFromFirstKeys(firstKeys, count, first, 0, tile);
    }
    accumulateProduct(cotangent, query, count, s.headDim, weights, vSums);
    accumulateProduct(q, query, count, s.headDim, products, kSums);
    accumulateRows(products, count, k, first, keyCount, s.headDim,
                   segment.qSums + (query - segment.firstQuery) * segment.qStride, segment.qStride);
  }
  float ones[kColumns];
  for (int c = 0; c < kColumns; ++c) ones[c] = 1;
  const auto write = [&](const float* sums, const Matrices& to) {
    unpackColumns(sums, keyCount, s.headDim, ones,
                  to.data + segment.b * to.stride + first * to.leading + segment.h * s.headDim,
                  to.leading);
  };
  write(kSums, a.kCotangent);
  write(vSums, a.vCotangent);
}

static void attentionBackward(const AttentionBackward& a, const float* delta,
                              const AttentionSegment& segment, float* scratch) {
  for (int64_t first = segment.begin; first < segment.end; first += kColumns) {
    const int64_t left = segment.end - first;
    attentionBackwardTile(a, delta, segment, first, left < kColumns ? left : kColumns, scratch);
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
