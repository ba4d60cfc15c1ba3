#include "cpu/gemm_block.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#ifdef _WIN32
#include <malloc.h>
#endif

#include "cpu/micro_kernel.h"

namespace fastweight::cpu {
namespace {

/// Of the right operand, rows that are packed at a time; a multiple of kDepth.
constexpr int64_t kPackedRows = 2 * kDepth;
/// Of the second cache level, what the packed right operand may take.
constexpr int64_t kPackedFloats = int64_t{128} << 10;
constexpr int64_t kMaxTileColumns = 32;
/// Rows that pass by the packed panels together.
constexpr int64_t kGroupTiles = 4;
constexpr int64_t kGroupFloats = kGroupTiles * kMaxTileRows * kDepth;
/// Up to this many rows it does not pay to pack the right operand.
constexpr int64_t kUnpackedRows = 24;

constexpr int kSlots = 2;

class Scratch {
 public:
  ~Scratch() { release(); }

  float* get(int64_t floats) {
    if (floats <= floats_) return data_;
    release();
    const size_t bytes = static_cast<size_t>((floats * int64_t{sizeof(float)} + 63) / 64 * 64);
#ifdef _WIN32
    data_ = static_cast<float*>(_aligned_malloc(bytes, 64));
#else
    data_ = static_cast<float*>(std::aligned_alloc(64, bytes));
#endif
    floats_ = data_ == nullptr ? 0 : floats;
    return data_;
  }

 private:
  void release() {
#ifdef _WIN32
    _aligned_free(data_);
#else
    std::free(data_);
#endif
    data_ = nullptr;
    floats_ = 0;
  }

  float* data_ = nullptr;
  int64_t floats_ = 0;
};

thread_local Scratch scratches[kSlots];

/// Part of the right operand as tiles read it: panel j starts at data + j * panelStride.
struct Panels {
  const float* data;
  int64_t panelStride, rowStride;
  /// The last panel where it is narrower than a tile, padded with zeros; else null.
  const float* lastPanel;
};

/// Packs b [k, n] into panels [k, tile columns], the last one padded with zeros.
void packPanels(const MicroKernels& kernels, const Operand& b, int64_t k, int64_t n, float* to) {
  const int64_t width = kernels.columns;
  if (b.columnStride == 1) {
    kernels.packRight(k, n, b.data, b.rowStride, to);
    return;
  }
  const int64_t rest = n % width;
  if (rest > 0) std::memset(to + (n - rest) * k, 0, static_cast<size_t>(k * width) * sizeof(float));
  for (int64_t j = 0; j < n; j += width) {
    kernels.transpose(std::min(width, n - j), k, b.data + j * b.columnStride, b.columnStride,
                      to + j * k, width);
  }
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
  const size_t bytes = static_cast<size_t>(columns) * sizeof(float);
  if (tile.beta != 0) {
    for (int64_t i = 0; i < rows; ++i) {
      std::memcpy(buffer + i * kMaxTileColumns, tile.addend + i * tile.addendLeading, bytes);
    }
  }
  tile.addend = tile.c = buffer;
  const int64_t cLeading = tile.cLeading;
  tile.addendLeading = tile.cLeading = kMaxTileColumns;
  kernel(tile);
  for (int64_t i = 0; i < rows; ++i) {
    std::memcpy(c + i * cLeading, buffer + i * kMaxTileColumns, bytes);
  }
}

/// Whether the left operand is copied before use. Rows that lie a multiple of a page's part apart
/// fall into the same few sets of the first cache level.
bool packsLeft(const Operand& a, int64_t n) {
  if (a.columnStride != 1) return n > 2 * kMaxTileColumns;
  return a.rowStride % 128 == 0 && n > kMaxTileColumns;
}

/// Adds one term's rows [0, k) to the block: all rows of a pass by the panels, a group at a time.
/// `first` says that c is not yet begun.
void passRows(const MicroKernels& kernels, const BlockProduct& product, const Operand& a,
              const Panels& panels, int64_t k, bool first, float* groupBuffer) {
  const int64_t tileRows = kernels.rows, tileColumns = kernels.columns;
  const int64_t groupRows = kGroupTiles * tileRows;
  const bool pack = packsLeft(a, product.n);
  const LeftLayout layout = a.columnStride == 1 ? kRowLayout : kColumnLayout;
  TileProduct tile;
  tile.alpha = product.alpha;
  tile.bStride = panels.rowStride;
  tile.cLeading = product.cLeading;
  for (int64_t group = 0; group < product.m; group += groupRows) {
    const int64_t groupEnd = std::min(product.m, group + groupRows);
    for (int64_t depth = 0; depth < k; depth += kDepth) {
      tile.k = std::min(kDepth, k - depth);
      const bool begin = first && depth == 0;
      tile.beta = begin ? product.beta : 1.0f;
      tile.addendLeading = begin ? product.addendLeading : product.cLeading;
      if (pack) copyLeft(kernels, a.at(group, depth), groupEnd - group, tile.k, groupBuffer);
      for (int64_t i = group; i < groupEnd; i += tileRows) {
        const int64_t rows = std::min(tileRows, groupEnd - i);
        if (pack) {
          tile.a = groupBuffer + (i - group) * tile.k;
          tile.aStride = layout == kRowLayout ? tile.k : rows;
        } else {
          tile.a = a.at(i, depth).data;
          tile.aStride = layout == kRowLayout ? a.rowStride : a.columnStride;
        }
        const int64_t end = std::min(product.n, i + rows + product.diagonal);
        for (int64_t j = 0; j < end; j += tileColumns) {
          const int64_t columns = std::min(tileColumns, product.n - j);
          const bool last = columns < tileColumns && panels.lastPanel != nullptr;
          tile.b = (last ? panels.lastPanel : panels.data + j / tileColumns * panels.panelStride) +
                   depth * panels.rowStride;
          if (last) tile.b = panels.lastPanel + depth * tileColumns;
          tile.bStride = last ? tileColumns : panels.rowStride;
          tile.c = product.c + i * product.cLeading + j;
          tile.addend = begin ? product.addend + i * product.addendLeading + j : tile.c;
          runTile(kernels, layout, rows, columns, tile);
        }
      }
    }
  }
}

void scaleAddend(const BlockProduct& product) {
  for (int64_t i = 0; i < product.m; ++i) {
    float* row = product.c + i * product.cLeading;
    const float* addend = product.addend + i * product.addendLeading;
    for (int64_t j = 0; j < product.n; ++j)
      row[j] = product.beta == 0 ? 0 : product.beta * addend[j];
  }
}

/// Computes a block whose panels fit `scratch`, packing `packedRows` rows at a time.
void multiplyPacked(const BlockProduct& product, int64_t packedRows, float* scratch) {
  const MicroKernels& kernels = microKernels();
  const int64_t width = kernels.columns;
  const int64_t paddedColumns = (product.n + width - 1) / width * width;
  float* groupBuffer = scratch + std::min(packedRows, product.k) * paddedColumns;
  bool first = true;
  for (int term = 0; term < product.terms; ++term) {
    for (int64_t p = 0; p < product.k; p += packedRows) {
      const int64_t k = std::min(packedRows, product.k - p);
      const Operand b = product.b[term].at(p, 0);
      Panels panels{scratch, k * width, width, nullptr};
      if (b.columnStride == 1 && product.m <= kUnpackedRows) {
        const int64_t whole = product.n / width * width;
        if (whole < product.n) packPanels(kernels, b.at(0, whole), k, product.n - whole, scratch);
        panels = {b.data, width, b.rowStride, scratch};
      } else {
        packPanels(kernels, b, k, product.n, scratch);
      }
      passRows(kernels, product, product.a[term].at(0, p), panels, k, first, groupBuffer);
      first = false;
    }
  }
}

/// A block in columns of one tile, with panels small enough for the stack.
void multiplyWithoutMemory(const BlockProduct& product) {
  alignas(64) float scratch[kDepth * kMaxTileColumns + kGroupFloats];
  const int64_t width = microKernels().columns;
  for (int64_t j = 0; j < product.n; j += width) {
    BlockProduct part = product;
    part.n = std::min(width, product.n - j);
    for (int term = 0; term < product.terms; ++term) part.b[term] = product.b[term].at(0, j);
    part.c += j;
    part.addend += j;
    part.diagonal = product.diagonal - j;
    multiplyPacked(part, kDepth, scratch);
  }
}

}  // namespace

float* threadScratch(int slot, int64_t floats) { return scratches[slot].get(floats); }

int64_t blockColumns(int64_t k) {
  const int64_t width = microKernels().columns;
  const int64_t rows = std::max<int64_t>(64, std::min(k, kPackedRows));
  return std::max(width, kPackedFloats / rows / width * width);
}

void multiplyBlock(const BlockProduct& product) {
  if (product.m <= 0 || product.n <= 0) return;
  if (product.k <= 0) {
    scaleAddend(product);
    return;
  }
  const int64_t width = microKernels().columns;
  const int64_t paddedColumns = (product.n + width - 1) / width * width;
  const int64_t packedRows = std::min(product.k, kPackedRows);
  float* scratch = threadScratch(0, packedRows * paddedColumns + kGroupFloats);
  if (scratch == nullptr) {
    multiplyWithoutMemory(product);
  } else {
    multiplyPacked(product, kPackedRows, scratch);
  }
}

}  // namespace fastweight::cpu
