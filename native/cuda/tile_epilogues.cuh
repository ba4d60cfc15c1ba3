// What blocks of tile_product.cuh do with their sums: scale and add, mirror, or the token-wise ends
// of the fast network.
#pragma once

#include <cstdint>

#include "cuda/gradient_entry.cuh"
#include "cuda/tile_access.cuh"

namespace fastweight::cuda {

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
