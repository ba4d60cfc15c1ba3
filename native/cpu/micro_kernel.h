// The innermost steps of GEMM, one set per instruction set. A set is compiled in a file of its own
// with that instruction set enabled and is reached only through the tables below, after a CPU
// check.
#pragma once

#include <cstdint>

namespace fastweight::cpu {

/// c = alpha * a b + beta * addend on one tile, [rows, k] x [k, columns]. Every entry is one chain
/// of fused multiply-adds in the order of k (multiply and add on CPUs without), whatever the tile's
/// size, so results do not depend on how a matrix was cut into tiles.
struct TileProduct {
  int64_t k = 0;
  /// a(i, p) is a[i * aStride + p] in the row layout, a[p * aStride + i] in the column layout.
  const float* a = nullptr;
  int64_t aStride = 0;
  /// b(p, j) is b[p * bStride + j].
  const float* b = nullptr;
  int64_t bStride = 0;
  float alpha = 1, beta = 0;
  /// Not read where beta is 0; may be c.
  const float* addend = nullptr;
  int64_t addendLeading = 0;
  float* c = nullptr;
  int64_t cLeading = 0;
};

using TileKernel = void (*)(const TileProduct&);

constexpr int kMaxTileRows = 12;
constexpr int kMaxTileVectors = 2;

/// How the left operand of a tile lies in memory.
enum LeftLayout { kRowLayout = 0, kColumnLayout = 1 };

struct MicroKernels {
  /// Floats of a vector; rows and columns of the largest tile.
  int width, rows, columns;
  /// By layout of a, rows - 1, and vectors - 1 of a tile.
  TileKernel tile[2][kMaxTileRows][kMaxTileVectors];
  /// Packs b [k, n] with rows bStride apart into panels of `columns` columns, [k, columns] each;
  /// the last one is padded with zeros.
  void (*packRight)(int64_t k, int64_t n, const float* b, int64_t bStride, float* to);
  /// Packs a [m, k] with columns aStride apart into panels of `rows` rows in the column layout,
  /// [k, rows] each; the last one has the rows that are left.
  void (*packLeft)(int64_t m, int64_t k, const float* a, int64_t aStride, float* to);
  /// to[j * toStride + i] = from[i * fromStride + j]. from [rows, columns].
  void (*transpose)(int64_t rows, int64_t columns, const float* from, int64_t fromStride, float* to,
                    int64_t toStride);
};

/// Null where the compiler's target has no such instructions.
const MicroKernels* microKernelsPortable();
const MicroKernels* microKernelsNeon();
const MicroKernels* microKernelsAvx2();
const MicroKernels* microKernelsAvx512();

/// The set in use; see cpu_features.h.
const MicroKernels& microKernels();

}  // namespace fastweight::cpu
