// Tiled attention with an online softmax. A tile holds kColumns tokens of one side side by side in
// vector lanes ("columns": queries, or keys in the backward) and streams tokens of the other side
// past them, kStreamed at a time ("rows"), so that softmax needs no sums across lanes
// and k and v are read where they lie.
#pragma once

#include <cmath>
#include <initializer_list>
#include <limits>

#include "cpu/attention_ranges.h"
#include "cpu/lanes.h"
#include "cpu/sequence_functions.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

constexpr int kVectors = kLanes == 16 ? 2 : 3;
constexpr int kBlock = kLanes == 16 ? 8 : 4;
constexpr int kColumns = kVectors * kLanes;
constexpr int kStreamed = 64;

/// Token-major rows of one head: token t at data + t * stride.
struct HeadRows {
  const float* data;
  int64_t stride;
};

static inline HeadRows headOf(const ConstMatrices& x, const AttentionShape& s, int64_t b,
                              int64_t h) {
  return {x.data + b * x.stride + h * s.headDim, x.leading};
}

static inline int64_t attentionScratch(int64_t headDim) {
  return 4 * headDim * kColumns + 2 * kStreamed * kColumns;
}

/// packed [headDim, kColumns] = scale * x^T for tokens [first, first + count), 0 in other columns.
static inline void packColumns(HeadRows x, int64_t first, int64_t count, int64_t headDim,
                               float scale, float* packed) {
  const float* from = x.data + first * x.stride;
  int64_t d = 0;
  for (; d + kLanes <= headDim; d += kLanes) {
    for (int64_t c0 = 0; c0 < kColumns; c0 += kLanes) {
      Lanes square[kLanes] = {};
      for (int i = 0; i < kLanes && c0 + i < count; ++i) {
        square[i] = scale * load(from + (c0 + i) * x.stride + d);
      }
      transpose(square);
      for (int i = 0; i < kLanes; ++i) store(packed + (d + i) * kColumns + c0, square[i]);
    }
  }
  for (; d < headDim; ++d) {
    for (int64_t c = 0; c < kColumns; ++c) {
      packed[d * kColumns + c] = c < count ? scale * from[c * x.stride + d] : 0;
    }
  }
}

/// The reverse: token c of `to`, `stride` floats apart, becomes scales[c] * column c.
static inline void unpackColumns(const float* packed, int64_t count, int64_t headDim,
                                 const float* scales, float* to, int64_t stride) {
  int64_t d = 0;
  for (; d + kLanes <= headDim; d += kLanes) {
    for (int64_t c0 = 0; c0 < count; c0 += kLanes) {
      Lanes square[kLanes];
      for (int i = 0; i < kLanes; ++i) square[i] = load(packed + (d + i) * kColumns + c0);
      transpose(square);
      for (int i = 0; i < kLanes && c0 + i < count; ++i) {
        store(to + (c0 + i) * stride + d, scales[c0 + i] * square[i]);
      }
    }
  }
  for (; d < headDim; ++d) {
    for (int64_t c = 0; c < count; ++c) to[c * stride + d] = scales[c] * packed[d * kColumns + c];
  }
}

/// tile [count, kColumns] = rows [count, headDim] packed [headDim, kColumns]. Rows of the last
/// block beyond `count` repeat the last row.
static inline void tileProduct(HeadRows x, int64_t first, int64_t count, int64_t headDim,
                               const float* packed, float* tile) {
  for (int64_t r0 = 0; r0 < count; r0 += kBlock) {
    const float* rows[kBlock];
    for (int r = 0; r < kBlock; ++r) {
      const int64_t row = r0 + r < count ? r0 + r : count - 1;
      rows[r] = x.data + (first + row) * x.stride;
    }
    Lanes sums[kBlock][kVectors] = {};
    for (int64_t d = 0; d < headDim; ++d) {
      Lanes columns[kVectors];
      for (int v = 0; v < kVectors; ++v) columns[v] = load(packed + d * kColumns + v * kLanes);
      for (int r = 0; r < kBlock; ++r) {
        const float value = rows[r][d];
        for (int v = 0; v < kVectors; ++v) sums[r][v] += value * columns[v];
      }
    }
    for (int r = 0; r < kBlock; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        store(tile + (r0 + r) * kColumns + v * kLanes, sums[r][v]);
      }
    }
  }
}

/// sums [features, kColumns] += rows^T tile for `features` features from x on.
template <int features>
static inline void accumulateFeatures(const float* x, int64_t stride, int64_t count,
                                      const float* tile, float* sums) {
  Lanes total[features][kVectors];
  for (int d = 0; d < features; ++d) {
    for (int v = 0; v < kVectors; ++v) total[d][v] = load(sums + d * kColumns + v * kLanes);
  }
  for (int64_t r = 0; r < count; ++r) {
    Lanes columns[kVectors];
    for (int v = 0; v < kVectors; ++v) columns[v] = load(tile + r * kColumns + v * kLanes);
    for (int d = 0; d < features; ++d) {
      const float value = x[r * stride + d];
      for (int v = 0; v < kVectors; ++v) total[d][v] += value * columns[v];
    }
  }
  for (int d = 0; d < features; ++d) {
    for (int v = 0; v < kVectors; ++v) store(sums + d * kColumns + v * kLanes, total[d][v]);
  }
}

/// sums [headDim, kColumns] += rows [count, headDim]^T tile [count, kColumns].
static inline void accumulateProduct(HeadRows x, int64_t first, int64_t count, int64_t headDim,
                                     const float* tile, float* sums) {
  const float* from = x.data + first * x.stride;
  int64_t d = 0;
  for (; d + kBlock <= headDim; d += kBlock) {
    accumulateFeatures<kBlock>(from + d, x.stride, count, tile, sums + d * kColumns);
  }
  for (; d < headDim; ++d) {
    accumulateFeatures<1>(from + d, x.stride, count, tile, sums + d * kColumns);
  }
}

/// Where attention is causal, sets row r of the tile to `value` outside the columns
/// [lower + r, lower + r + window).
static inline void fillOutsideWindow(const AttentionShape& s, int64_t count, int64_t lower,
                                     float value, float* tile) {
  const int64_t window = s.window;
  if (!s.causal || (lower + count - 1 <= 0 && lower + window >= kColumns)) return;
  for (int64_t r = 0; r < count; ++r) {
    float* row = tile + r * kColumns;
    const int begin = static_cast<int>(lower + r < kColumns ? lower + r : kColumns);
    const int end = static_cast<int>(lower + r + window < kColumns ? lower + r + window : kColumns);
    for (int c = 0; c < kColumns; ++c) row[c] = c >= begin && c < end ? row[c] : value;
  }
}

/// Sets to `value` what queries, the tile's `queries` columns, do not see of the keys from `key` on
/// that are its rows, because they come before their first keys.
static inline void fillBeforeFirstKeys(const int32_t* firstKeys, int64_t queries, int64_t key,
                                       int64_t count, float value, float* tile) {
  if (firstKeys == nullptr || firstKeys[queries - 1] <= key) return;
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t c = 0; c < queries; ++c) {
      if (firstKeys[c] > key + r) tile[r * kColumns + c] = value;
    }
  }
}

/// Where a tile of columns stands: its batch element, head and tokens.
struct ColumnTile {
  int64_t b, h, first, count;
};

static inline ColumnTile columnTile(const AttentionShape& s, int64_t tokens, int64_t item) {
  const int64_t tiles = (tokens + kColumns - 1) / kColumns;
  // Early and late tiles take turns, so that ranges of items hold equal work without a window.
  const int64_t turn = item % tiles;
  const int64_t tile = turn % 2 == 0 ? turn / 2 : tiles - 1 - turn / 2;
  const int64_t first = tile * kColumns;
  const int64_t left = tokens - first;
  return {item / tiles / s.heads, item / tiles % s.heads, first, left < kColumns ? left : kColumns};
}

/// Queries so few, as in decoding, that a tile of them would be mostly empty.
constexpr int64_t kFewQueries = 4;
/// Keys whose scores take the room of a tile.
constexpr int64_t kScoredKeys = kStreamed * kColumns;

/// sums [headDim] += scores [count] rows [count, headDim].
static inline void accumulateRows(HeadRows x, int64_t first, int64_t count, int64_t headDim,
                                  const float* scores, float* sums) {
  constexpr int kRows = 8;
  const float* row = x.data + first * x.stride;
  int64_t r = 0;
  for (; r + kRows <= count; r += kRows) {
    const float* from = row + r * x.stride;
    int64_t d = 0;
    for (; d + kLanes <= headDim; d += kLanes) {
      Lanes sum = load(sums + d);
      for (int i = 0; i < kRows; ++i) sum += scores[r + i] * load(from + i * x.stride + d);
      store(sums + d, sum);
    }
    for (; d < headDim; ++d) {
      for (int i = 0; i < kRows; ++i) sums[d] += scores[r + i] * from[i * x.stride + d];
    }
  }
  for (; r < count; ++r) {
    for (int64_t d = 0; d < headDim; ++d) sums[d] += scores[r] * row[r * x.stride + d];
  }
}

/// One query of the head of `at`, with the features of a key, not queries, side by side in lanes.
static inline void attendOne(const Attention& a, const ColumnTile& at, int64_t query,
                             float* scratch) {
  const AttentionShape& s = a.shape;
  const HeadRows q = headOf(a.q, s, at.b, at.h);
  const HeadRows k = headOf(a.k, s, at.b, at.h);
  const TokenRange keys = keysOf(s, at.b, query, 1);
  float* scaled = scratch;
  float* sums = scratch + s.headDim;
  float* scores = scratch + 2 * s.headDim * kColumns;
  for (int64_t d = 0; d < s.headDim; ++d) {
    scaled[d] = s.scale * q.data[query * q.stride + d];
    sums[d] = 0;
  }
  float maximum = std::numeric_limits<float>::lowest(), denominator = 0;
  for (int64_t key = keys.begin; key < keys.end; key += kScoredKeys) {
    const int64_t count = keys.end - key < kScoredKeys ? keys.end - key : kScoredKeys;
    float largest = maximum;
    for (int64_t r = 0; r < count; ++r) {
      const float* row = k.data + (key + r) * k.stride;
      scores[r] = sumOver(
          s.headDim, [=](int64_t i) { return load(scaled + i) * load(row + i); },
          [=](int64_t i) { return scaled[i] * row[i]; });
      largest = scores[r] > largest ? scores[r] : largest;
    }
    const float factor = exponential(maximum - largest);
    maximum = largest;
    for (int64_t r = 0; r < count; ++r) scores[r] = exponential(scores[r] - largest);
    const float added = sumOver(
        count, [=](int64_t i) { return load(scores + i); }, [=](int64_t i) { return scores[i]; });
    denominator = denominator * factor + added;
    for (int64_t d = 0; d < s.headDim; ++d) sums[d] *= factor;
    accumulateRows(headOf(a.v, s, at.b, at.h), key, count, s.headDim, scores, sums);
  }
  a.logSumExp[(at.b * s.heads + at.h) * s.queryTokens + query] =
      maximum + static_cast<float>(std::log(static_cast<double>(denominator)));
  float* output =
      a.output.data + at.b * a.output.stride + query * a.output.leading + at.h * s.headDim;
  for (int64_t d = 0; d < s.headDim; ++d) output[d] = sums[d] / denominator;
}

static void attention(const Attention& a, int64_t begin, int64_t end, float* scratch) {
  const AttentionShape& s = a.shape;
  const int64_t state = s.headDim * kColumns;
  float* qPacked = scratch;
  float* sums = scratch + state;
  float* tile = scratch + 2 * state;
  for (int64_t item = begin; item < end; ++item) {
    const ColumnTile at = columnTile(s, s.queryTokens, item);
    if (s.queryTokens <= kFewQueries) {
      for (int64_t query = 0; query < s.queryTokens; ++query) attendOne(a, at, query, scratch);
      continue;
    }
    const HeadRows q = headOf(a.q, s, at.b, at.h);
    const HeadRows k = headOf(a.k, s, at.b, at.h);
    const HeadRows v = headOf(a.v, s, at.b, at.h);
    const int64_t position = at.first + s.keyTokens - s.queryTokens;
    const TokenRange keys = keysOf(s, at.b, at.first, at.count);
    const int32_t* firstKeys = firstKeysOf(s, at.b, at.first);
    packColumns(q, at.first, at.count, s.headDim, s.scale, qPacked);
    for (int64_t i = 0; i < state; ++i) sums[i] = 0;
    float maxima[kColumns], denominators[kColumns];
    for (int c = 0; c < kColumns; ++c) {
      maxima[c] = std::numeric_limits<float>::lowest();
      denominators[c] = 0;
    }
    for (int64_t key = keys.begin; key < keys.end; key += kStreamed) {
      const int64_t count = keys.end - key < kStreamed ? keys.end - key : kStreamed;
      tileProduct(k, key, count, s.headDim, qPacked, tile);
      fillOutsideWindow(s, count, key - position, -INFINITY, tile);
      fillBeforeFirstKeys(firstKeys, at.count, key, count, -INFINITY, tile);
      float factors[kColumns];
      for (int c = 0; c < kColumns; c += kLanes) {
        Lanes largest = load(maxima + c);
        for (int64_t r = 0; r < count; ++r)
          largest = larger(load(tile + r * kColumns + c), largest);
        store(factors + c, load(maxima + c) - largest);
        store(maxima + c, largest);
      }
      for (int c = 0; c < kColumns; ++c) {
        factors[c] = exponential(factors[c]);
        denominators[c] *= factors[c];
      }
      for (int64_t r = 0; r < count; ++r) {
        float* row = tile + r * kColumns;
        for (int c = 0; c < kColumns; ++c) {
          row[c] = exponential(row[c] - maxima[c]);
          denominators[c] += row[c];
        }
      }
      for (int64_t d = 0; d < s.headDim; ++d) {
        for (int c = 0; c < kColumns; ++c) sums[d * kColumns + c] *= factors[c];
      }
      accumulateProduct(v, key, count, s.headDim, tile, sums);
    }
    float* logSumExp = a.logSumExp + (at.b * s.heads + at.h) * s.queryTokens + at.first;
    for (int64_t c = 0; c < at.count; ++c)
      logSumExp[c] = maxima[c] + static_cast<float>(std::log(static_cast<double>(denominators[c])));
    for (int c = 0; c < kColumns; ++c) denominators[c] = 1.0f / denominators[c];
    unpackColumns(
        sums, at.count, s.headDim, denominators,
        a.output.data + at.b * a.output.stride + at.first * a.output.leading + at.h * s.headDim,
        a.output.leading);
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
