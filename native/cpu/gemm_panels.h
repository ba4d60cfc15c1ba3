// The panels that tiles read, and the pass of a left operand's rows by packed panels.
#pragma once

#include <cstdint>

#include "fastweight/epilogue.h"

namespace fastweight::cpu {

/// Tiles sum over at most this many products before they add to memory. Sums are cut at multiples
/// of it from the start, whatever the block, so an entry's value depends on its row and its column
/// only.
constexpr int64_t kDepth = 256;
constexpr int64_t kMaxTileColumns = 32;
/// Tiles of rows that pass by a panel together.
constexpr int64_t kGroupTiles = 8;
/// Floats that multiplyRows() needs to work in, for `tiles` tiles of at most 12 rows.
constexpr int64_t groupFloats(int64_t tiles) { return tiles * 12 * kDepth; }

/// A matrix of which rows or columns are contiguous: entry (i, j) is data[i * rowStride + j *
/// columnStride], and one of the strides is 1.
struct Operand {
  const float* data = nullptr;
  int64_t rowStride = 0, columnStride = 1;

  Operand at(int64_t i, int64_t j) const {
    return {data + i * rowStride + j * columnStride, rowStride, columnStride};
  }
};

/// A right operand [k, n] as tiles read it, cut into panels of a tile's columns.
struct Panels {
  /// Row p of panel j starts at data + j * panelStride + p * rowStride.
  const float* data = nullptr;
  int64_t panelStride = 0, rowStride = 0;
  /// The last panel, packed, where it is narrower than a tile and the others are not packed.
  const float* narrow = nullptr;
};

/// Columns rounded up to whole panels.
int64_t paddedColumns(int64_t n);

/// Packs b [k, n] into `to` [k * paddedColumns(n)].
Panels packPanels(const Operand& b, int64_t k, int64_t n, float* to);

/// Panels of b [k, n], whose rows are contiguous, that are read where they lie but for a narrow
/// last one, packed into `to` [k * kMaxTileColumns].
Panels panelsInPlace(const Operand& b, int64_t k, int64_t n, float* to);

/// c = epilogue(alpha * a b + beta * addend) for a [m, k] and panels of b [k, n].
struct RowsProduct {
  Operand a;
  Panels b;
  int64_t m = 0, n = 0, k = 0;
  float alpha = 1, beta = 0;
  /// Not read where beta is 0; may be c.
  const float* addend = nullptr;
  int64_t addendLeading = 0;
  float* c = nullptr;
  int64_t cLeading = 0;
  Epilogue epilogue;
  /// Entries (i, j) with j > i + diagonal may be left out (and may be written).
  int64_t diagonal = INT64_MAX / 2;
  /// Tiles sum over this many products before they add to c; a divisor of kDepth. All blocks of a
  /// matrix take the same.
  int64_t depth = kDepth;
  int64_t groupTiles = kGroupTiles;
};

/// Takes c [m, n] through `epilogue`.
void finishRows(const Epilogue& epilogue, int64_t m, int64_t n, float* c, int64_t cLeading);

/// Rows of kGroupTiles tiles.
int64_t groupRows();

/// Computes the product on the calling thread. `buffer` [groupFloats()]
/// for the product's groupTiles.
void multiplyRows(const RowsProduct& product, float* buffer);

}  // namespace fastweight::cpu
