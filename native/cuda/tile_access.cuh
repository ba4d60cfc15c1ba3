// How the warps of tile_product.cuh read and write memory where their sums lie. Rows of 16-bit
// entries start on 16 bytes, and go in and out so.
#pragma once

#include <cstdint>

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

}  // namespace fastweight::cuda
