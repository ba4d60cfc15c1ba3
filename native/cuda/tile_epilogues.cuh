// What blocks of tile_product.cuh do with their sums: scale and add, mirror, or the token-wise ends
// of the fast network. Rows of 16-bit entries start on 16 bytes, and go in and out so.
#pragma once

#include <cstdint>

#include "cuda/gradient_entry.cuh"
#include "cuda/group_fold.cuh"
#include "cuda/reduced.cuh"
#include "cuda/tile_product.cuh"
#include "cuda/view.cuh"

namespace fastweight::cuda {

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
__device__ __forceinline__ void storeFour(const View<Element>& to, const WarpTile& tile, int i,
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
__device__ __forceinline__ void loadFour(const View<const Element>& from, const WarpTile& tile,
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
__device__ __forceinline__ void storeRows(const View<Element>& to, const WarpTile& tile,
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
__device__ __forceinline__ void storeColumns(const View<Element>& to, const WarpTile& tile,
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
__device__ __forceinline__ bool arePairsAligned(const View<T>& view) {
  return reinterpret_cast<uintptr_t>(view.data) % sizeof(float2) == 0 && view.leading % 2 == 0 &&
         view.stride % 2 == 0;
}

/// Writes the sums as float32 entries of `to`.
__device__ __forceinline__ void storeRows(const View<float>& to, const WarpTile& tile,
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
  View<const float> addend;
  View<float> result;

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
  View<const Element> reducedAddend;
  View<const float> addend;
  View<float> result;
  View<Element> reducedResult;

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

/// What loadFour() reads, as pairs of floats.
template <typename Element>
__device__ __forceinline__ void loadFloats(const View<const Element>& from, const WarpTile& tile,
                                           int i, int j, float2 (&pairs)[4]) {
  uint32_t words[4];
  loadFour(from, tile, i, j, words);
#pragma unroll
  for (int q = 0; q < 4; ++q) pairs[q] = floatsOf<Element>(words[q]);
}
__device__ __forceinline__ void loadFloats(const View<const float>& from, const WarpTile& tile,
                                           int i, int j, float2 (&pairs)[4]) {
  const int row = tile.laneRow(i);
  const bool inPairs = arePairsAligned(from);
#pragma unroll
  for (int q = 0; q < 4; ++q) {
    const int column = tile.laneColumn(j + q);
    pairs[q] = make_float2(0, 0);
    if (row >= tile.rows || column >= tile.columns) continue;
    const float* const at = from.at(tile.batch, row, column);
    pairs[q] = inPairs ? *reinterpret_cast<const float2*>(at) : make_float2(at[0], at[1]);
  }
}

/// The step sizes of the lane's row.
__device__ __forceinline__ Rates ratesOfRow(const View<const float>& rates, const WarpTile& tile,
                                            int i) {
  return tile.laneRow(i) < tile.rows ? Rates::of(rates, tile.batch, tile.laneRow(i)) : Rates();
}

__device__ __forceinline__ float quickSigmoid(float x) {
  return __fdividef(1.0f, 1.0f + __expf(-x));
}

/// hidden = silu(g) u of sums g and u; both also go to gateUp, side by side, where it is set.
struct SwigluEpilogue {
  View<__nv_bfloat16> hidden;
  View<float> gateUp;

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<2>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    if (gateUp.data != nullptr) {
      storeRows(gateUp, tile, sums.part[0]);
      storeRows(gateUp.from(group.columns), tile, sums.part[1]);
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
  View<const float> rates;
  View<const __nv_bfloat16> dHidden;
  View<__nv_bfloat16> scaledGateUp, scaledHidden;

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<2>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    const View<__nv_bfloat16> scaledUp = scaledGateUp.from(group.columns);
    forFours([&](int i, int j) {
      const Rates stepSizes = ratesOfRow(rates, tile, i);
      uint32_t dh[4], gates[4], ups[4], hiddens[4];
      loadFour(dHidden, tile, i, j, dh);
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        const float2 both = floatsOf<__nv_bfloat16>(dh[q]);
        GradientEntry entries[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int at = 4 * (j + q) + 2 * i + e;
          const float g = sums.part[0][at];
          entries[e] = GradientEntry::of(stepSizes, g, sums.part[1][at], e == 0 ? both.x : both.y,
                                         quickSigmoid(g));
        }
        gates[q] = wordOf<__nv_bfloat16>(entries[0].gate, entries[1].gate);
        ups[q] = wordOf<__nv_bfloat16>(entries[0].up, entries[1].up);
        hiddens[q] = wordOf<__nv_bfloat16>(entries[0].hidden, entries[1].hidden);
      }
      storeFour(scaledGateUp, tile, i, j, gates);
      storeFour(scaledUp, tile, i, j, ups);
      storeFour(scaledHidden, tile, i, j, hiddens);
    });
  }
};

/// The backward of GradientEpilogue's step (SwigluGradientBackward): sums are the cotangents of the
/// scaled gradients of g and u; the activations g, u and dh, of T, and the cotangent of the scaled
/// hidden layer come from memory. rateParts [tokens, tiles of the columns, 3].
template <typename T>
struct GradientBackwardEpilogue {
  View<const float> rates;
  View<const T> gateUp, dHidden;
  View<const __nv_bfloat16> hiddenCotangent;
  View<__nv_bfloat16> scaledGateUp, scaledHidden, gateUpCotangent, dHiddenCotangent;
  float* rateParts;

  __device__ __forceinline__ void finish(const TileGroup& group, const TilePlace& place, int row,
                                         TileSums<2>& sums) const {
    const WarpTile tile = {place.batch, row, group.rows, place.column, group.columns};
    const int hiddenDim = group.columns;
    float rateSums[2][3] = {};
    forFours([&](int i, int j) {
      const Rates stepSizes = ratesOfRow(rates, tile, i);
      float2 gs[4], us[4], dhs[4], cotangents[4];
      loadFloats(gateUp, tile, i, j, gs);
      loadFloats(gateUp.from(hiddenDim), tile, i, j, us);
      loadFloats(dHidden, tile, i, j, dhs);
      loadFloats(hiddenCotangent, tile, i, j, cotangents);
      uint32_t words[6][4];
#pragma unroll
      for (int q = 0; q < 4; ++q) {
        GradientEntryBackward entries[2];
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          const int at = 4 * (j + q) + 2 * i + e;
          const auto of = [&](const float2& pair) { return e == 0 ? pair.x : pair.y; };
          entries[e] = GradientEntryBackward::of(
              stepSizes, of(gs[q]), of(us[q]), of(dhs[q]), quickSigmoid(of(gs[q])),
              {sums.part[0][at], sums.part[1][at], of(cotangents[q])});
          // Behind the last column all that is read is 0, and so is what the sums get.
          const bool exists = tile.laneColumn(j + q) < tile.columns;
#pragma unroll
          for (int r = 0; r < 3; ++r) rateSums[i][r] += exists ? entries[e].rates[r] : 0.0f;
        }
        const auto word = [&](auto member) {
          return wordOf<__nv_bfloat16>(member(entries[0]), member(entries[1]));
        };
        using Entry = GradientEntryBackward;
        words[0][q] = word([](const Entry& x) { return x.forward.gate; });
        words[1][q] = word([](const Entry& x) { return x.forward.up; });
        words[2][q] = word([](const Entry& x) { return x.forward.hidden; });
        words[3][q] = word([](const Entry& x) { return x.gate; });
        words[4][q] = word([](const Entry& x) { return x.up; });
        words[5][q] = word([](const Entry& x) { return x.dHidden; });
      }
      storeFour(scaledGateUp, tile, i, j, words[0]);
      storeFour(scaledGateUp.from(hiddenDim), tile, i, j, words[1]);
      storeFour(scaledHidden, tile, i, j, words[2]);
      storeFour(gateUpCotangent, tile, i, j, words[3]);
      storeFour(gateUpCotangent.from(hiddenDim), tile, i, j, words[4]);
      storeFour(dHiddenCotangent, tile, i, j, words[5]);
    });
    const int64_t parts = group.columnTiles, part = place.column / group.tileColumns;
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int64_t token = int64_t{place.batch} * group.rows + tile.laneRow(i);
#pragma unroll
      for (int r = 0; r < 3; ++r) {
        float sum = rateSums[i][r];
        sum += ofPartner(sum, 1);
        sum += ofPartner(sum, 2);
        if (threadIdx.x % 4 == 0 && tile.laneRow(i) < tile.rows) {
          rateParts[(token * parts + part) * 3 + r] = sum;
        }
      }
    }
  }
};

}  // namespace fastweight::cuda
