#include "cpu/gemm_panels.h"

#include <algorithm>
#include <cstring>

#include "cpu/elementwise_loops.h"
#include "cpu/micro_kernel.h"

namespace fastweight::cpu {
namespace {

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

/// The panel of b from column j on, from row `depth` on.
void setPanel(const MicroKernels& kernels, const RowsProduct& product, int64_t j, int64_t depth,
              TileProduct& tile) {
  if (product.n - j < kernels.columns && product.b.narrow != nullptr) {
    tile.bStride = kernels.columns;
    tile.b = product.b.narrow + depth * tile.bStride;
  } else {
    tile.bStride = product.b.rowStride;
    tile.b = product.b.data + j / kernels.columns * product.b.panelStride + depth * tile.bStride;
  }
}

/// A group of rows [first, last) of a, where tiles read it: tile t starts at data + t * tileStride.
struct LeftGroup {
  LeftLayout layout;
  int64_t first, last;
  const float* data;
  int64_t stride, tileStride;
};

/// Multiplies a group of rows with all panels. A panel stays in the first cache level while the
/// group's tiles pass by, the group in the second one while the panels do.
void multiplyGroup(const MicroKernels& kernels, const RowsProduct& product, const LeftGroup& group,
                   int64_t depth, TileProduct tile) {
  const float* addend = tile.addend;
  for (int64_t j = 0; j < product.n; j += kernels.columns) {
    setPanel(kernels, product, j, depth, tile);
    int64_t i = group.first;
    for (int64_t t = 0; i < group.last; ++t, i += kernels.rows) {
      const int64_t rows = std::min<int64_t>(kernels.rows, group.last - i);
      if (j >= i + rows + product.diagonal) continue;
      const int64_t columns = std::min<int64_t>(kernels.columns, product.n - j);
      tile.a = group.data + t * group.tileStride;
      tile.aStride = group.stride > 0 ? group.stride : rows;
      tile.addend = addend + i * tile.addendLeading + j;
      tile.c = product.c + i * product.cLeading + j;
      runTile(kernels, group.layout, rows, columns, tile);
    }
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
  const bool copy = copiesLeft(product.a, product.n);
  const bool finishes = !product.epilogue.isEmpty();
  LeftGroup group;
  group.layout = product.a.columnStride == 1 ? kRowLayout : kColumnLayout;
  TileProduct tile;
  tile.alpha = product.alpha;
  tile.cLeading = product.cLeading;
  const int64_t step = product.groupTiles * kernels.rows;
  for (group.first = 0; group.first < product.m; group.first += step) {
    group.last = std::min(product.m, group.first + step);
    for (int64_t depth = 0; depth < product.k; depth += product.depth) {
      tile.k = std::min(product.depth, product.k - depth);
      tile.beta = depth == 0 ? product.beta : 1.0f;
      tile.addend = tile.beta != 0 && depth == 0 ? product.addend : product.c;
      tile.addendLeading = tile.addend == product.c ? product.cLeading : product.addendLeading;
      const Operand a = product.a.at(group.first, depth);
      if (copy) {
        copyLeft(kernels, a, group.last - group.first, tile.k, buffer);
        group.data = buffer;
        group.stride = group.layout == kRowLayout ? tile.k : 0;
        group.tileStride = kernels.rows * tile.k;
      } else {
        group.data = a.data;
        group.stride = group.layout == kRowLayout ? a.rowStride : a.columnStride;
        group.tileStride = kernels.rows * a.rowStride;
      }
      multiplyGroup(kernels, product, group, depth, tile);
    }
    if (finishes) {
      finishRows(product.epilogue, group.last - group.first, product.n,
                 product.c + group.first * product.cLeading, product.cLeading);
    }
  }
}

}  // namespace fastweight::cpu
