// What blocks of tile_product.cuh do with their sums: scale and add, mirror, or the token-wise ends
// of the fast network. Results in 16 bits go out 16 bytes at a time.
#pragma once

#include <cstdint>

#include "cuda/group_fold.cuh"
#include "cuda/reduced.cuh"
#include "cuda/tile_product.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {

/// A batch of matrices of T: entry (b, i, j) is data[b * stride + i * leading + j]. Of 16-bit
/// entries, rows start on 16 bytes.
template <typename T>
struct TileView {
  T* data = nullptr;
  int64_t leading = 0, stride = 0;

  __device__ __forceinline__ T* at(int64_t batch, int64_t row, int64_t column) const {
    return data + batch * stride + row * leading + column;
  }
};

/// Two entries in a word, the first one low.
template <typename Element>
__device__ __forceinline__ uint32_t wordOf(float first, float second) {
  const Element both[2] = {fromFloat<Element>(first), fromFloat<Element>(second)};
  uint32_t word;
  memcpy(&word, both, sizeof word);
  return word;
}
template <typename Element>
__device__ __forceinline__ float2 floatsOf(uint32_t word) {
  Element both[2];
  memcpy(both, &word, sizeof word);
  return {toFloat(both[0]), toFloat(both[1])};
}

/// Transposes the 4 x 4 words of four lanes: lane t's word q becomes lane q's word t.
__device__ __forceinline__ void transposeQuad(uint32_t (&word)[4]) {
  const unsigned int t = threadIdx.x % 4;
#pragma unroll
  for (int bit = 1; bit <= 2; bit *= 2) {
    const bool upper = (t & static_cast<unsigned int>(bit)) != 0;
#pragma unroll
    for (int pair = 0; pair < 2; ++pair) {
      const int low = bit == 1 ? 2 * pair : pair, high = low + bit;
      const uint32_t received = ofPartner(upper ? word[low] : word[high], bit);
      word[low] = upper ? received : word[low];
      word[high] = upper ? word[high] : received;
    }
  }
}

/// Where the sums of a warp lie: 16 rows from `row`, kPartColumns columns from `column`; those
/// below `rows` and `columns` exist.
struct WarpTile {
  int batch, row, rows, column, columns;

  __device__ __forceinline__ int laneRow(int i) const {
    return row + 8 * i + static_cast<int>(threadIdx.x % 32 / 4);
  }
  __device__ __forceinline__ int laneColumn(int j) const {
    return column + 8 * j + 2 * static_cast<int>(threadIdx.x % 4);
  }
};

constexpr int kColumnGroups = kPartColumns / 8;

/// body(i, j) for the lane's pairs of sums: rows 8 i further down, columns 8 j to the right. Sums
/// are 4 j + 2 i and the one behind.
template <typename Body>
__device__ __forceinline__ void forPairs(const Body& body) {
#pragma unroll
  for (int j = 0; j < kColumnGroups; ++j) {
#pragma unroll
    for (int i = 0; i < 2; ++i) body(i, j);
  }
}

/// Writes eight entries, or what of them is left before `columns`.
template <typename Element>
__device__ __forceinline__ void storeEight(Element* to, const uint32_t (&words)[4], int left) {
  if (left >= 8) {
    *reinterpret_cast<uint4*>(to) = make_uint4(words[0], words[1], words[2], words[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    if (i >= left) break;
    const float2 both = floatsOf<Element>(words[i / 2]);
    to[i] = fromFloat<Element>(i % 2 == 0 ? both.x : both.y);
  }
}

/// Writes the lane's pairs of columns 8 j to 8 j + 31 in rows 8 i further down: eight entries of
/// one row a lane. Turns `words` over.
template <typename Element>
__device__ __forceinline__ void storeFour(const TileView<Element>& to, const WarpTile& tile, int i,
                                          int j, uint32_t (&words)[4]) {
  transposeQuad(words);
  const int row = tile.laneRow(i),
            column = tile.column + 8 * (j + static_cast<int>(threadIdx.x % 4));
  if (row < tile.rows && column < tile.columns) {
    storeEight(to.at(tile.batch, row, column), words, tile.columns - column);
  }
}

/// What storeFour() writes, from memory; zeros outside. The columns are multiples of eight.
template <typename Element>
__device__ __forceinline__ void loadFour(const TileView<const Element>& from, const WarpTile& tile,
                                         int i, int j, uint32_t (&words)[4]) {
  const int row = tile.laneRow(i),
            column = tile.column + 8 * (j + static_cast<int>(threadIdx.x % 4));
  uint4 eight = make_uint4(0, 0, 0, 0);
  if (row < tile.rows && column < tile.columns) {
    eight = *reinterpret_cast<const uint4*>(from.at(tile.batch, row, column));
  }
  words[0] = eight.x, words[1] = eight.y, words[2] = eight.z, words[3] = eight.w;
  transposeQuad(words);
}

/// body(i, j) for j = 0, 4, .. of each i: four pairs, as storeFour() and loadFour() take them.
template <typename Body>
__device__ __forceinline__ void forFours(const Body& body) {
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < kColumnGroups; j += 4) body(i, j);
  }
}

/// Writes the sums as 16-bit entries of `to`.
template <typename Element>
__device__ __forceinline__ void storeRows(const TileView<Element>& to, const WarpTile& tile,
                                          const float (&sums)[kProductSums]) {
  forFours([&](int i, int j) {
    uint32_t words[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const int at = 4 * (j + q) + 2 * i;
      words[q] = wordOf<Element>(sums[at], sums[at + 1]);
    }
    storeFour(to, tile, i, j, words);
  });
}

/// Writes the sums' transpose as 16-bit entries of `to`, whose row is a column of the tile.
template <typename Element>
__device__ __forceinline__ void storeColumns(const TileView<Element>& to, const WarpTile& tile,
                                             const float (&sums)[kProductSums]) {
  const int g = static_cast<int>(threadIdx.x % 32 / 4), t = static_cast<int>(threadIdx.x % 4);
#pragma unroll
  for (int j = 0; j < kColumnGroups; j += 2) {
    uint32_t words[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const int at = 4 * (j + q / 2) + 2 * (q % 2);
      words[q] = transposeMatrix(wordOf<Element>(sums[at], sums[at + 1]));
    }
    transposeQuad(words);
    const int column = tile.column + 8 * (j + t / 2) + g, row = tile.row + 8 * (t % 2);
    if (column < tile.columns && row < tile.rows) {
      storeEight(to.at(tile.batch, column, row), words, tile.rows - row);
    }
  }
}

template <typename T>
__device__ __forceinline__ bool arePairsAligned(const TileView<T>& view) {
  return reinterpret_cast<uintptr_t>(view.data) % sizeof(float2) == 0 && view.leading % 2 == 0 &&
         view.stride % 2 == 0;
}

/// Writes the sums as float32 entries of `to`.
__device__ __forceinline__ void storeRows(const TileView<float>& to, const WarpTile& tile,
                                          const float (&sums)[kProductSums]) {
  const bool inPairs = arePairsAligned(to);
  forPairs([&](int i, int j) {
    const int row = tile.laneRow(i), column = tile.laneColumn(j);
    if (row >= tile.rows || column >= tile.columns) return;
    float* const at = to.at(tile.batch, row, column);
    const float first = sums[4 * j + 2 * i], second = sums[4 * j + 2 * i + 1];
    if (inPairs && column + 1 < tile.columns) {
      *reinterpret_cast<float2*>(at) = make_float2(first, second);
    } else {
      at[0] = first;
      if (column + 1 < tile.columns) at[1] = second;
    }
  });
}

/// result = alpha sums + beta addend, with a beta a matrix where `betas` is set. The addend is not
/// read where beta is 0; it may be the result.
struct AddEpilogue {
  float alpha, beta;
  const float* betas;
  TileView<const float> addend;
  TileView<float> result;

  template <int kParts>
  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<kParts>& sums) const {
    const float scale = betas != nullptr ? betas[place.batch] : beta;
    const bool inPairs = arePairsAligned(result) && (scale == 0 || arePairsAligned(addend));
#pragma unroll
    for (int part = 0; part < kParts; ++part) {
      const WarpTile tile = {place.batch, row, group.rows, place.column + part * kPartColumns,
                             group.columns};
#pragma unroll 1
      for (int i = 0; i < 2; ++i) {
        const int at = tile.laneRow(i);
        if (at >= tile.rows) continue;
        const float* const from = addend.at(tile.batch, at, 0);
        float* const to = result.at(tile.batch, at, 0);
#pragma unroll
        for (int j = 0; j < kColumnGroups; ++j) {
          const int column = tile.laneColumn(j), of = 4 * j;
          const float first = alpha * (i == 0 ? sums.part[part][of] : sums.part[part][of + 2]);
          const float second = alpha * (i == 0 ? sums.part[part][of + 1] : sums.part[part][of + 3]);
          if (inPairs && column + 1 < tile.columns) {
            float2 both = make_float2(0, 0);
            if (scale != 0) both = *reinterpret_cast<const float2*>(from + column);
            *reinterpret_cast<float2*>(to + column) =
                make_float2(first + scale * both.x, second + scale * both.y);
            continue;
          }
          if (column < tile.columns) {
            to[column] = scale == 0 ? first : first + scale * from[column];
          }
          if (column + 1 < tile.columns) {
            to[column + 1] = scale == 0 ? second : second + scale * from[column + 1];
          }
        }
      }
    }
  }
};

/// result = alpha sums + beta addend + diagonal I, computed on and below the diagonal and mirrored.
/// The addend is in 16 bits, or in float32, or there is none; results go where there is a view.
template <typename Element>
struct SymmetricEpilogue {
  float alpha, beta, diagonal;
  TileView<const Element> reducedAddend;
  TileView<const float> addend;
  TileView<float> result;
  TileView<Element> reducedResult;

  __device__ __forceinline__ float added(int batch, int row, int column) const {
    float sum = row == column ? diagonal : 0.0f;
    if (reducedAddend.data != nullptr) {
      sum += beta * toFloat(*reducedAddend.at(batch, row, column));
    } else if (addend.data != nullptr) {
      sum += beta * *addend.at(batch, row, column);
    }
    return sum;
  }

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<1>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    float (&values)[kProductSums] = sums.part[0];
    forPairs([&](int i, int j) {
      const int at = tile.laneRow(i), column = tile.laneColumn(j);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        float& value = values[4 * j + 2 * i + e];
        value *= alpha;
        if (at < tile.rows && column + e < tile.columns)
          value += added(place.batch, at, column + e);
      }
    });
    const bool onDiagonal = place.row == place.column;
    if (reducedResult.data != nullptr && !onDiagonal) {
      storeRows(reducedResult, tile, values);
      storeColumns(reducedResult, tile, values);
    }
    if (result.data != nullptr && !onDiagonal) storeRows(result, tile, values);
    if (result.data == nullptr && !onDiagonal) return;
    // One by one: what lies below the diagonal also above it, so that both are one number.
    forPairs([&](int i, int j) {
      const int at = tile.laneRow(i);
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int column = tile.laneColumn(j) + e;
        if (at >= tile.rows || column > at) continue;
        const float value = values[4 * j + 2 * i + e];
        if (result.data != nullptr) {
          if (onDiagonal) *result.at(place.batch, at, column) = value;
          *result.at(place.batch, column, at) = value;
        }
        if (reducedResult.data != nullptr && onDiagonal) {
          const Element reduced = fromFloat<Element>(value);
          *reducedResult.at(place.batch, at, column) = reduced;
          *reducedResult.at(place.batch, column, at) = reduced;
        }
      }
    });
  }
};

__device__ __forceinline__ float quickSigmoid(float x) {
  return __fdividef(1.0f, 1.0f + __expf(-x));
}

/// hidden = silu(g) u of sums g and u; both also go to gateUp, side by side, where it is set.
struct SwigluEpilogue {
  TileView<__nv_bfloat16> hidden;
  TileView<float> gateUp;

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<2>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    if (gateUp.data != nullptr) {
      storeRows(gateUp, tile, sums.part[0]);
      const TileView<float> up = {gateUp.data + group.columns, gateUp.leading, gateUp.stride};
      storeRows(up, tile, sums.part[1]);
    }
#pragma unroll
    for (int i = 0; i < kProductSums; ++i) {
      const float g = sums.part[0][i];
      sums.part[0][i] = g * quickSigmoid(g) * sums.part[1][i];
    }
    storeRows(hidden, tile, sums.part[0]);
  }
};

/// The token-wise end of an update's gradient (fast_weight_primitives.h, SwigluGradient) of sums g
/// and u, and of dh from memory. No rates mean 1.
struct GradientEpilogue {
  TileView<const float> rates;
  TileView<const __nv_bfloat16> dHidden;
  TileView<__nv_bfloat16> scaledGateUp, scaledHidden;

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<2>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    const TileView<__nv_bfloat16> scaledUp = {scaledGateUp.data + group.columns,
                                              scaledGateUp.leading, scaledGateUp.stride};
    forFours([&](int i, int j) {
      const bool has = rates.data != nullptr && tile.laneRow(i) < tile.rows;
      float rate[3];
#pragma unroll
      for (int r = 0; r < 3; ++r) rate[r] = has ? *rates.at(tile.batch, tile.laneRow(i), r) : 1.0f;
      uint32_t dh[4], gates[4], ups[4], hiddens[4];
      loadFour(dHidden, tile, i, j, dh);
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const float2 both = floatsOf<__nv_bfloat16>(dh[q]);
        float gate[2], up[2], hidden[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int at = 4 * (j + q) + 2 * i + e;
          const float g = sums.part[0][at], u = sums.part[1][at], d = e == 0 ? both.x : both.y;
          const float s = quickSigmoid(g), activation = g * s;
          gate[e] = rate[0] * (d * u * siluDerivative(g, s));
          up[e] = rate[2] * (d * activation);
          hidden[e] = rate[1] * (activation * u);
        }
        gates[q] = wordOf<__nv_bfloat16>(gate[0], gate[1]);
        ups[q] = wordOf<__nv_bfloat16>(up[0], up[1]);
        hiddens[q] = wordOf<__nv_bfloat16>(hidden[0], hidden[1]);
      }
      storeFour(scaledGateUp, tile, i, j, gates);
      storeFour(scaledUp, tile, i, j, ups);
      storeFour(scaledHidden, tile, i, j, hiddens);
    });
  }
};

}  // namespace fastweight::cuda
