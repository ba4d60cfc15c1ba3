// One thread's share of matrix products: blocks of the results, computed from packed panels
// that all rows of the block pass by.
#pragma once

#include <cstdint>

#include "cpu/gemm_panels.h"

namespace fastweight::cpu {

/// c = epilogue(alpha * (a[0] b[0] + ... + a[terms - 1] b[terms - 1]) + beta * addend).
/// a [m, k], b [k, n], c and addend [m, n].
struct BlockProduct {
  int terms = 1;
  Operand a[2], b[2];
  int64_t m = 0, n = 0, k = 0;
  float alpha = 1, beta = 0;
  /// Not read where beta is 0; may be c.
  const float* addend = nullptr;
  int64_t addendLeading = 0;
  float* c = nullptr;
  int64_t cLeading = 0;
  /// Of the whole product, for this block's columns.
  Epilogue epilogue;
  /// Entries (i, j) with j > i + diagonal may be left out (and may be written).
  int64_t diagonal = INT64_MAX / 2;
  /// Tiles sum over this many products before they add to c; a divisor of kDepth. All blocks of a
  /// matrix take the same.
  int64_t depth = kDepth;
};

/// Computes a block on the calling thread. Never fails: without memory for panels of a good size it
/// works with small ones.
void multiplyBlock(const BlockProduct& product);

/// Columns of a block for which the packed right operand is of a good size; a multiple of the
/// tile's columns.
int64_t blockColumns(int64_t k);

/// One of several products of the same shape whose results an epilogue takes together.
struct FusedProduct {
  Operand a, b;
  int64_t k = 0;
  float* c = nullptr;
  int64_t cLeading = 0;
  /// c holds one group of rows, groupRows(), and is used again for the next group.
  bool reuseC = false;
};

constexpr int kMaxFused = 3;

/// c = a b [m, n] for each of `count` products (kMaxFused or fewer) on the calling thread, a group
/// of rows at a time; epilogue(context, row, rows) follows each group while it is in the first
/// cache levels. Never fails; without memory for panels it is slow.
void multiplyFused(const FusedProduct* products, int count, int64_t m, int64_t n,
                   void (*epilogue)(void* context, int64_t row, int64_t rows), void* context);

/// As blockColumns, for products whose k add up to `sumOfK`.
int64_t fusedColumns(int64_t sumOfK);

}  // namespace fastweight::cpu
