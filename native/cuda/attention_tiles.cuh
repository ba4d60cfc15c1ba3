// What the attention kernels share. Operands are first packed: q (times the scale), k, v and the
// output's cotangent become [batch, heads, tokens, kDim] of a product's element type, columns
// beyond headDim zero. A block keeps a tile of one side's tokens ("rows") in shared memory, 16 for
// each row tile of each of its warps, and streams tiles of the other side's tokens past them, the
// next one on its way while one is at work.
#pragma once

#include "cuda/async_copy.cuh"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"
#include "cuda/shared_memory.cuh"
#include "cuda/stored.cuh"
#include "cuda/strided_index.cuh"
#include "cuda/warp_product.cuh"
#include "fastweight/sequence_kernels.h"

namespace fastweight::cuda {

constexpr int kTileRows = 16;

/// Sizes of a block's work. rowTiles: row tiles of a warp; kWarps: warps of a block.
template <typename ProductType, int dim, int warps, int rowTiles, int mostStreamed>
struct AttentionTiling {
  using Product = ProductType;
  using Element = typename Product::Element;
  static constexpr int kDim = dim, kWarps = warps, kRowTiles = rowTiles;
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kRows = kTileRows * kRowTiles * kWarps;
  static constexpr int kRowBytes = kDim * static_cast<int>(sizeof(Element));
  /// As many streamed tokens as keep the buffers small: 16 KB a tile.
  static constexpr int kFitting = kRowBytes <= 256 ? 64 : 64 * 256 / kRowBytes;
  static constexpr int kStreamed = kFitting < mostStreamed ? kFitting : mostStreamed;
  static constexpr int kPitch = kDim + Product::kPadding;
  static constexpr int kTileElements = kStreamed * kPitch;

  /// Shared memory for `rowOperands` tiles of rows and two buffers of `streamedOperands` each.
  static constexpr int64_t sharedBytes(int rowOperands, int streamedOperands) {
    return static_cast<int64_t>(sizeof(Element)) * kPitch *
           (rowOperands * kRows + 2 * streamedOperands * kStreamed);
  }
};

/// Tokens [begin, end) of a side.
struct TokenRange {
  int64_t begin, end;
};

__device__ __forceinline__ int64_t largerOf(int64_t a, int64_t b) { return a > b ? a : b; }
__device__ __forceinline__ int64_t smallerOf(int64_t a, int64_t b) { return a < b ? a : b; }

/// Which queries see which keys, in one batch element.
struct Visibility {
  int64_t queryTokens, keyTokens, window;
  bool causal;
  /// [queryTokens], or null.
  const int32_t* firstKeys;

  __device__ Visibility(const AttentionShape& s, int64_t batch)
      : queryTokens(s.queryTokens),
        keyTokens(s.keyTokens),
        window(s.window),
        causal(s.causal),
        firstKeys(s.causal && s.firstKeys != nullptr ? s.firstKeys + batch * s.queryTokens
                                                     : nullptr) {}

  __device__ __forceinline__ int64_t position(int64_t query) const {
    return query + keyTokens - queryTokens;
  }
  /// What a query sees: no keys where there is no such query.
  __device__ __forceinline__ TokenRange keysOf(int64_t query) const {
    if (query >= queryTokens) return {0, 0};
    if (!causal) return {0, keyTokens};
    const int64_t first = largerOf(position(query) - window + 1, 0);
    return {firstKeys == nullptr ? first : largerOf(first, firstKeys[query]), position(query) + 1};
  }
  /// All keys that some of the queries [first, end) see. What is seen moves on from query to query.
  __device__ __forceinline__ TokenRange keysOfAll(int64_t first, int64_t end) const {
    return {keysOf(first).begin, keysOf(end - 1).end};
  }
  /// The keys that all of the queries [first, end) see.
  __device__ __forceinline__ TokenRange keysOfEach(int64_t first, int64_t end) const {
    return {keysOf(end - 1).begin, keysOf(first).end};
  }
  /// All queries that see some of the keys [first, end).
  __device__ __forceinline__ TokenRange queriesOfAll(int64_t first, int64_t end) const {
    if (!causal) return {0, queryTokens};
    const int64_t offset = keyTokens - queryTokens;
    const int64_t begin = largerOf(first - offset, 0);
    int64_t low = begin, high = largerOf(begin, smallerOf(end - 1 + window - offset, queryTokens));
    if (firstKeys == nullptr) return {begin, high};
    while (low < high) {  // the first query whose first key lies behind
      const int64_t middle = (low + high) / 2;
      if (firstKeys[middle] < end) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return {begin, low};
  }
};

/// x of one head as [batch, heads, tokens, kDim].
template <typename Product, int kDim>
struct PackHeadsBody {
  ConstMatrices x;
  Divisor tokens, heads;
  int64_t headDim;
  float scale;
  bool packable;
  typename Product::Element* packed;

  template <int width>
  __device__ void at(int64_t i) const {
    const int64_t row = i / kDim, column = i % kDim;
    const int64_t head = tokens.quotient(row), token = row - head * tokens.divisor();
    const int64_t batch = heads.quotient(head), ofBatch = head - batch * heads.divisor();
    const int64_t from = batch * x.stride + token * x.leading + ofBatch * headDim + column;
    Pack<float, width> values = {};
    if (packable && column < headDim) {
      values = loadFloats<width>(x, from);
    } else {
      for (int k = 0; k < width; ++k) {
        if (column + k < headDim) values.value[k] = loadFloats<1>(x, from + k).value[0];
      }
    }
    Pack<typename Product::Element, width> result;
    for (int k = 0; k < width; ++k) result.value[k] = Product::element(scale * values.value[k]);
    store(packed + i, result);
  }
};

template <typename Product, int kDim>
void packHeads(Stream& stream, const AttentionShape& s, const ConstMatrices& x, int64_t tokens,
               float scale, typename Product::Element* packed) {
  const int64_t count = s.batch * s.heads * tokens * kDim;
  const bool packable = isPackable(StoredFloats(x.data, x.storage)) &&
                        s.headDim % kElementsTogether == 0 && x.leading % kElementsTogether == 0 &&
                        x.stride % kElementsTogether == 0;
  forElements(stream, "attention's operands", count, true,
              PackHeadsBody<Product, kDim>{x, Divisor(tokens, count), Divisor(s.heads, count),
                                           s.headDim, scale, packable, packed});
}

/// Starts to copy the tokens [first, first + count) of a packed head to a tile; those from `end` on
/// become zero.
template <typename Tiling>
__device__ __forceinline__ void copyTile(const typename Tiling::Element* head, int64_t first,
                                         int count, int64_t end, typename Tiling::Element* tile) {
  constexpr int kPiece = 16 / static_cast<int>(sizeof(typename Tiling::Element));
  constexpr int kPieces = Tiling::kDim / kPiece;
  for (int i = static_cast<int>(threadIdx.x); i < count * kPieces; i += Tiling::kThreads) {
    const int row = i / kPieces, column = i % kPieces * kPiece;
    const bool valid = first + row < end;
    copyAsync(tile + row * Tiling::kPitch + column,
              head + (valid ? first + row : 0) * Tiling::kDim + column, valid);
  }
}

/// One head's operands that are streamed, and their two buffers. body(first, tiles) works on the
/// tokens from `first` on; tiles[i] is operand i's.
template <typename Tiling, int kOperands, typename Body>
__device__ __forceinline__ void streamTiles(
    const typename Tiling::Element* const (&heads)[kOperands], TokenRange tokens, int64_t end,
    typename Tiling::Element* buffers, Body body) {
  using Element = typename Tiling::Element;
  const auto start = [&](int64_t first, int buffer) {
    for (int i = 0; i < kOperands; ++i) {
      copyTile<Tiling>(heads[i], first, Tiling::kStreamed, end,
                       buffers + (buffer * kOperands + i) * Tiling::kTileElements);
    }
    endCopies();
  };
  start(tokens.begin, 0);
  int buffer = 0;
  for (int64_t first = tokens.begin; first < tokens.end; first += Tiling::kStreamed) {
    if (first + Tiling::kStreamed < tokens.end) {
      start(first + Tiling::kStreamed, 1 - buffer);
      waitForCopies<1>();
    } else {
      waitForCopies<0>();
    }
    __syncthreads();
    const Element* tiles[kOperands];
    for (int i = 0; i < kOperands; ++i) {
      tiles[i] = buffers + (buffer * kOperands + i) * Tiling::kTileElements;
    }
    body(first, tiles);
    __syncthreads();  // before the next copies overwrite the buffer
    buffer = 1 - buffer;
  }
  waitForCopies<0>();  // the first ones, where there was no token
}

// A warp's sums [16 kRowTiles, 16 n] are Accumulator[kRowTiles][n][2].

template <int rowTiles, int n>
__device__ __forceinline__ void clear(Accumulator (&sums)[rowTiles][n][2]) {
#pragma unroll
  for (int r = 0; r < rowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < n; ++i) sums[r][i][0] = sums[r][i][1] = Accumulator{};
  }
}

/// sums = rows streamed^T: the warp's rows [16 kRowTiles, kDim], a tile [16 n, kDim].
template <typename Tiling, int n>
__device__ __forceinline__ void scores(const typename Tiling::Element* rows,
                                       const typename Tiling::Element* streamed,
                                       Accumulator (&sums)[Tiling::kRowTiles][n][2]) {
  using Product = typename Tiling::Product;
  clear(sums);
#pragma unroll 4
  for (int k = 0; k < Tiling::kDim; k += Product::kDepth) {
    typename Product::Rows a[Tiling::kRowTiles];
#pragma unroll
    for (int r = 0; r < Tiling::kRowTiles; ++r) {
      a[r] = Product::rows(rows + r * kTileRows * Tiling::kPitch + k, Tiling::kPitch);
    }
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const typename Product::Columns b =
          Product::columns(streamed + i * 16 * Tiling::kPitch + k, Tiling::kPitch);
#pragma unroll
      for (int r = 0; r < Tiling::kRowTiles; ++r) Product::multiply(sums[r][i], a[r], b);
    }
  }
}

/// sums += weights tile: weights [16 kRowTiles, 16 m], the tile's columns [16 m, 16 n].
template <typename Tiling, int m, int n>
__device__ __forceinline__ void accumulate(const Accumulator (&weights)[Tiling::kRowTiles][m][2],
                                           const typename Tiling::Element* tile,
                                           Accumulator (&sums)[Tiling::kRowTiles][n][2]) {
  using Product = typename Tiling::Product;
#pragma unroll
  for (int k = 0; k < 16 * m; k += Product::kDepth) {
    typename Product::Rows a[Tiling::kRowTiles];
#pragma unroll
    for (int r = 0; r < Tiling::kRowTiles; ++r) {
      a[r] = Product::rowsFrom(&weights[r][k / 16][k % 16 / 8]);
    }
#pragma unroll
    for (int i = 0; i < n; ++i) {
      const typename Product::Columns b =
          Product::columnsTransposed(tile + k * Tiling::kPitch + i * 16, Tiling::kPitch);
#pragma unroll
      for (int r = 0; r < Tiling::kRowTiles; ++r) Product::multiply(sums[r][i], a[r], b);
    }
  }
}

/// body(row, column, value, other) for the warp's entries of two sums; rows and columns count from
/// the sums' first.
template <int rowTiles, int n, typename Body>
__device__ __forceinline__ void forEntryPairs(Accumulator (&sums)[rowTiles][n][2],
                                              Accumulator (&others)[rowTiles][n][2], Body body) {
  const int row = laneGroup(), column = 2 * laneOfGroup();
#pragma unroll
  for (int r = 0; r < rowTiles; ++r) {
#pragma unroll
    for (int i = 0; i < n; ++i) {
#pragma unroll
      for (int e = 0; e < 8; ++e) {
        body(kTileRows * r + row + e % 4 / 2 * 8, 16 * i + column + e / 4 * 8 + e % 2,
             sums[r][i][e / 4].value[e % 4], others[r][i][e / 4].value[e % 4]);
      }
    }
  }
}

/// body(row, column, value) for the warp's entries of sums.
template <int rowTiles, int n, typename Body>
__device__ __forceinline__ void forEntries(Accumulator (&sums)[rowTiles][n][2], Body body) {
  forEntryPairs(sums, sums,
                [&](int row, int column, float& value, float&) { body(row, column, value); });
}

/// Writes scale(row) * sums to a head's columns [column, column + 16 n) of tokens from `first` on.
template <int rowTiles, int n, typename Scale>
__device__ __forceinline__ void storeHead(Accumulator (&sums)[rowTiles][n][2], const Matrices& to,
                                          Storage storage, const AttentionShape& s, int64_t batch,
                                          int64_t head, int64_t first, int64_t end, int column,
                                          Scale scale) {
  StoredResult result;
  result.data = to.data;
  result.storage = storage;
  const int64_t from = batch * to.stride + head * s.headDim + column;
  forEntries(sums, [&](int row, int i, float& value) {
    if (first + row < end && column + i < s.headDim) {
      storeFloat(result, from + (first + row) * to.leading + i, scale(row) * value);
    }
  });
}

}  // namespace fastweight::cuda
