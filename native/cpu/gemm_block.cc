#include "cpu/gemm_block.h"

#include <algorithm>

#include "cpu/micro_kernel.h"
#include "cpu/thread_scratch.h"

namespace fastweight::cpu {
namespace {

/// Of the right operand, rows that are packed at a time.
constexpr int64_t kPackedRows = kDepth;
/// What the packed right operand may take. A panel of it serves a group of rows from the first
/// cache level, so most of it may lie beyond the second one.
constexpr int64_t kPackedFloats = int64_t{256} << 10;
/// The same for products whose results an epilogue takes together.
constexpr int64_t kFusedFloats = 3 * kPackedFloats;
/// Tiles of rows that pass by a panel together where scratch lies on the stack.
constexpr int64_t kFewTiles = 2;
/// Up to this many rows it does not pay to pack the right operand; more where it is small.
constexpr int64_t kUnpackedRows = 24;
constexpr int64_t kUnpackedSmallRows = 96;
constexpr int64_t kSmallFloats = int64_t{8} << 10;

bool readsInPlace(const BlockProduct& product, const Operand& b, int64_t k) {
  if (b.columnStride != 1) return false;
  return product.m <= kUnpackedRows ||
         (product.m <= kUnpackedSmallRows && k * product.n <= kSmallFloats);
}

void scaleAddend(const BlockProduct& product) {
  for (int64_t i = 0; i < product.m; ++i) {
    float* row = product.c + i * product.cLeading;
    if (product.beta == 0) {
      std::fill(row, row + product.n, 0.0f);
      continue;
    }
    const float* addend = product.addend + i * product.addendLeading;
    for (int64_t j = 0; j < product.n; ++j) row[j] = product.beta * addend[j];
  }
}

/// Computes a block whose panels fit `scratch`, packing kPackedRows rows at a time.
void multiplyPacked(const BlockProduct& product, int64_t groupTiles, float* scratch) {
  float* buffer = scratch + std::min(kPackedRows, product.k) * paddedColumns(product.n);
  RowsProduct rows;
  rows.groupTiles = groupTiles;
  rows.m = product.m;
  rows.n = product.n;
  rows.alpha = product.alpha;
  rows.beta = product.beta;
  rows.addend = product.addend;
  rows.addendLeading = product.addendLeading;
  rows.c = product.c;
  rows.cLeading = product.cLeading;
  rows.diagonal = product.diagonal;
  rows.depth = product.depth;
  for (int term = 0; term < product.terms; ++term) {
    for (int64_t p = 0; p < product.k; p += kPackedRows) {
      const Operand b = product.b[term].at(p, 0);
      rows.k = std::min(kPackedRows, product.k - p);
      rows.a = product.a[term].at(0, p);
      const bool isLast = term + 1 == product.terms && p + rows.k == product.k;
      if (isLast) rows.epilogue = product.epilogue;
      rows.b = readsInPlace(product, b, rows.k) ? panelsInPlace(b, rows.k, product.n, scratch)
                                                : packPanels(b, rows.k, product.n, scratch);
      multiplyRows(rows, buffer);
      rows.beta = 1;
      rows.addend = product.c;
      rows.addendLeading = product.cLeading;
    }
  }
}

/// A block in columns of one tile, with panels small enough for the stack.
void multiplyWithoutMemory(const BlockProduct& product) {
  alignas(64) float scratch[kPackedRows * kMaxTileColumns + groupFloats(kFewTiles)];
  const int64_t width = microKernels().columns;
  for (int64_t j = 0; j < product.n; j += width) {
    BlockProduct part = product;
    part.n = std::min(width, product.n - j);
    for (int term = 0; term < product.terms; ++term) part.b[term] = product.b[term].at(0, j);
    part.c += j;
    if (part.beta != 0) part.addend += j;
    part.diagonal = product.diagonal - j;
    part.epilogue = product.epilogue.at(j);
    multiplyPacked(part, kFewTiles, scratch);
  }
}

int64_t columnsFor(int64_t floats, int64_t k) {
  const int64_t width = microKernels().columns;
  return std::max(width, floats / std::max<int64_t>(64, k) / width * width);
}

}  // namespace

int64_t blockColumns(int64_t k) { return columnsFor(kPackedFloats, std::min(k, kPackedRows)); }

int64_t fusedColumns(int64_t sumOfK) { return columnsFor(kFusedFloats, sumOfK); }

void multiplyBlock(const BlockProduct& product) {
  if (product.m <= 0 || product.n <= 0) return;
  if (product.k <= 0) {
    scaleAddend(product);
    finishRows(product.epilogue, product.m, product.n, product.c, product.cLeading);
    return;
  }
  const int64_t packedFloats = std::min(product.k, kPackedRows) * paddedColumns(product.n);
  float* scratch = threadScratch(ScratchUse::kPanels, packedFloats + groupFloats(kGroupTiles));
  if (scratch == nullptr) {
    multiplyWithoutMemory(product);
  } else {
    multiplyPacked(product, kGroupTiles, scratch);
  }
}

void multiplyFused(const FusedProduct* products, int count, int64_t m, int64_t n,
                   void (*epilogue)(void* context, int64_t row, int64_t rows), void* context) {
  int64_t packedFloats = 0;
  for (int i = 0; i < count; ++i) packedFloats += products[i].k * paddedColumns(n);
  float* buffer = threadScratch(ScratchUse::kPanels, packedFloats + groupFloats(kGroupTiles));
  float* to = buffer + groupFloats(kGroupTiles);
  Panels panels[kMaxFused];
  for (int i = 0; i < count && buffer != nullptr; ++i) {
    panels[i] = packPanels(products[i].b, products[i].k, n, to);
    to += products[i].k * paddedColumns(n);
  }
  for (int64_t row = 0; row < m; row += groupRows()) {
    const int64_t rows = std::min(groupRows(), m - row);
    for (int i = 0; i < count; ++i) {
      const FusedProduct& product = products[i];
      float* c = product.c + (product.reuseC ? 0 : row * product.cLeading);
      if (buffer != nullptr && product.k > 0) {
        RowsProduct group;
        group.a = product.a.at(row, 0);
        group.b = panels[i];
        group.m = rows;
        group.n = n;
        group.k = product.k;
        group.c = c;
        group.cLeading = product.cLeading;
        multiplyRows(group, buffer);
      } else {
        BlockProduct group;
        group.a[0] = product.a.at(row, 0);
        group.b[0] = product.b;
        group.m = rows;
        group.n = n;
        group.k = product.k;
        group.c = c;
        group.cLeading = product.cLeading;
        multiplyBlock(group);
      }
    }
    epilogue(context, row, rows);
  }
}

}  // namespace fastweight::cpu
