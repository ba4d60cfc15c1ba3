#include "cpu/gemm_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/elementwise_loops.h"
#include "cpu/micro_kernel.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGroupTiles = 4;
static_assert(kGroupFloats >= kGroupTiles * kMaxTileRows * kDepth, "a group fits its buffer");

/// Whether the left operand is copied before use. Rows that lie a multiple of 512 bytes apart fall
/// into few sets of the first cache level.
bool copiesLeft(const Operand& a, int64_t n) {
  if (a.columnStride != 1) return n > 2 * kMaxTileColumns;
  return a.rowStride % 128 == 0 && n > kMaxTileColumns;
}

/// Copies a [m, k]: as rows of length k where its rows are contiguous, else into panels.
void copyLeft(const MicroKernels& kernels, const Operand& a, int64_t m, int64_t k, float* to) {
  if (a.columnStride != 1) {
    kernels.packLeft(m, k, a.data, a.columnStride, to);
    return;
  }
  for (int64_t i = 0; i < m; ++i) {
    std::memcpy(to + i * k, a.data + i * a.rowStride, static_cast<size_t>(k) * sizeof(float));
  }
}

/// Runs one tile of `columns` columns; a tile that ends between vectors goes through a buffer, so
/// that nothing beyond a row's end is touched.
void runTile(const MicroKernels& kernels, LeftLayout layout, int64_t rows, int64_t columns,
             TileProduct tile) {
  const int64_t vectors = (columns + kernels.width - 1) / kernels.width;
  const TileKernel kernel = kernels.tile[layout][rows - 1][vectors - 1];
  if (columns == vectors * kernels.width) {
    kernel(tile);
    return;
  }
  alignas(64) float buffer[kMaxTileRows * kMaxTileColumns] = {};
  float* c = tile.c;
  const int64_t cLeading = tile.cLeading;
  const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
  if (tile.beta != 0) {
    for (int64_t i = 0; i < rows; ++i) {
      std::memcpy(buffer + i * kMaxTileColumns, tile.addend + i * tile.addendLeading, bytes);
    }
  }
  tile.addend = tile.c = buffer;
  tile.addendLeading = tile.cLeading = kMaxTileColumns;
  kernel(tile);
  for (int64_t i = 0; i < rows; ++i) {
    std::memcpy(c + i * cLeading, buffer + i * kMaxTileColumns, bytes);
  }
}

/// Multiplies one tile's rows, as `tile` and `layout` give them, with all panels.
void multiplyTileRows(const MicroKernels& kernels, const RowsProduct& product, LeftLayout layout,
                      int64_t i, int64_t rows, int64_t depth, TileProduct tile) {
  float* c = product.c + i * product.cLeading;
  const float* addend = tile.addend + i * tile.addendLeading;
  const int64_t end = std::min(product.n, i + rows + product.diagonal);
  for (int64_t j = 0; j < end; j += kernels.columns) {
    const int64_t columns = std::min<int64_t>(kernels.columns, product.n - j);
    if (columns < kernels.columns && product.b.narrow != nullptr) {
      tile.bStride = kernels.columns;
      tile.b = product.b.narrow + depth * tile.bStride;
    } else {
      tile.bStride = product.b.rowStride;
      tile.b = product.b.data + j / kernels.columns * product.b.panelStride + depth * tile.bStride;
    }
    tile.c = c + j;
    tile.addend = addend + j;
    runTile(kernels, layout, rows, columns, tile);
  }
}

}  // namespace

int64_t paddedColumns(int64_t n) {
  const int64_t width = microKernels().columns;
  return (n + width - 1) / width * width;
}

Panels packPanels(const Operand& b, int64_t k, int64_t n, float* to) {
  const MicroKernels& kernels = microKernels();
  const int64_t width = kernels.columns;
  if (b.columnStride == 1) {
    kernels.packRight(k, n, b.data, b.rowStride, to);
    return {to, k * width, width, nullptr};
  }
  const int64_t rest = n % width;
  if (rest > 0) std::memset(to + (n - rest) * k, 0, static_cast<size_t>(k * width) * sizeof(float));
  for (int64_t j = 0; j < n; j += width) {
    kernels.transpose(std::min(width, n - j), k, b.data + j * b.columnStride, b.columnStride,
                      to + j * k, width);
  }
  return {to, k * width, width, nullptr};
}

Panels panelsInPlace(const Operand& b, int64_t k, int64_t n, float* to) {
  const MicroKernels& kernels = microKernels();
  const int64_t whole = n / kernels.columns * kernels.columns;
  if (whole < n) kernels.packRight(k, n - whole, b.data + whole, b.rowStride, to);
  return {b.data, kernels.columns, b.rowStride, to};
}

void finishRows(const Epilogue& epilogue, int64_t m, int64_t n, float* c, int64_t cLeading) {
  const ElementwiseLoops& loops = elementwiseLoops();
  const auto& binary = loops.binary[static_cast<int>(ElementType::kFloat32)];
  for (int64_t i = 0; i < m; ++i, c += cLeading) {
    if (epilogue.bias != nullptr) {
      binary[static_cast<int>(BinaryOp::kAdd)](n, 1, 1, c, epilogue.bias, c);
    }
    if (epilogue.activation != UnaryOp::kCount) {
      loops.unary[static_cast<int>(epilogue.activation)](n, epilogue.p, epilogue.q, c, c);
    }
    if (epilogue.slopes != nullptr) {
      binary[static_cast<int>(BinaryOp::kPrelu)](n, 1, 1, c, epilogue.slopes, c);
    }
  }
}

int64_t groupRows() { return kGroupTiles * microKernels().rows; }

void multiplyRows(const RowsProduct& product, float* buffer) {
  const MicroKernels& kernels = microKernels();
  const int64_t tileRows = kernels.rows;
  const bool copy = copiesLeft(product.a, product.n);
  const LeftLayout layout = product.a.columnStride == 1 ? kRowLayout : kColumnLayout;
  const bool finishes = !product.epilogue.isEmpty();
  TileProduct tile;
  tile.alpha = product.alpha;
  tile.cLeading = product.cLeading;
  for (int64_t group = 0; group < product.m; group += groupRows()) {
    const int64_t groupEnd = std::min(product.m, group + groupRows());
    for (int64_t depth = 0; depth < product.k; depth += product.depth) {
      tile.k = std::min(product.depth, product.k - depth);
      tile.beta = depth == 0 ? product.beta : 1.0f;
      tile.addend = tile.beta != 0 && depth == 0 ? product.addend : product.c;
      tile.addendLeading = tile.addend == product.c ? product.cLeading : product.addendLeading;
      if (copy) copyLeft(kernels, product.a.at(group, depth), groupEnd - group, tile.k, buffer);
      for (int64_t i = group; i < groupEnd; i += tileRows) {
        const int64_t rows = std::min(tileRows, groupEnd - i);
        if (copy) {
          tile.a = buffer + (i - group) * tile.k;
          tile.aStride = layout == kRowLayout ? tile.k : rows;
        } else {
          tile.a = product.a.at(i, depth).data;
          tile.aStride = layout == kRowLayout ? product.a.rowStride : product.a.columnStride;
        }
        multiplyTileRows(kernels, product, layout, i, rows, depth, tile);
        if (finishes && depth + tile.k == product.k) {
          finishRows(product.epilogue, rows, product.n, product.c + i * product.cLeading,
                     product.cLeading);
        }
      }
    }
  }
}

}  // namespace fastweight::cpu
