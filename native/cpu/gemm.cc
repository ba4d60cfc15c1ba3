#include "cpu/cpu_device.h"
#include "cpu/gemm_block.h"
#include "cpu/gemm_plan.h"

namespace fastweight::cpu {
namespace {

/// Matrix b of `matrices`, transposed where asked.
Operand operandOf(const ConstMatrices& matrices, int64_t b, bool transposed) {
  const float* data = matrices.data + b * matrices.stride;
  return transposed ? Operand{data, 1, matrices.leading} : Operand{data, matrices.leading, 1};
}

/// Few rows by a large b whose rows are contiguous are over before b could be packed: the product
/// takes as long as b takes to read, and b is read fastest a few rows at a time from end to end.
bool streamsRight(const Gemm& g) {
  constexpr int64_t kFewRows = 12, kLargeFloats = int64_t{32} << 10;
  return !g.transposeB && g.m <= kFewRows && g.k * g.n > kLargeFloats;
}

constexpr int64_t kStreamedDepth = 8;

/// Columns of a block; where b streams by, those of which c fits the first cache level.
int64_t mostColumns(const Gemm& g) {
  constexpr int64_t kResultFloats = 4096;
  return streamsRight(g) ? kResultFloats / g.m / kMaxTileColumns * kMaxTileColumns
                         : blockColumns(g.k);
}

}  // namespace

void CpuDevice::gemm(const Gemm& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const BlockGrid grid = planBlocks(g.batch, g.m, g.n, g.k, mostColumns(g));
  forBlocks(grid, g.batch, g.m, g.n,
            [&](int64_t b, int64_t row, int64_t rows, int64_t column, int64_t columns) {
              BlockProduct product;
              product.a[0] = operandOf(g.a, b, g.transposeA).at(row, 0);
              product.b[0] = operandOf(g.b, b, g.transposeB).at(0, column);
              if (g.a2.data != nullptr) {
                product.terms = 2;
                product.a[1] = operandOf(g.a2, b, g.transposeA).at(row, 0);
                product.b[1] = operandOf(g.b2, b, g.transposeB).at(0, column);
              }
              product.m = rows;
              product.n = columns;
              product.k = g.k;
              product.alpha = g.alpha;
              product.beta = g.betas != nullptr ? g.betas[b] : g.beta;
              product.c = g.c.data + b * g.c.stride + row * g.c.leading + column;
              product.cLeading = g.c.leading;
              product.epilogue = g.epilogue.at(column);
              product.depth = streamsRight(g) ? kStreamedDepth : kDepth;
              const ConstMatrices addend = g.addend.data != nullptr ? g.addend : g.c;
              product.addend = addend.data + b * addend.stride + row * addend.leading + column;
              product.addendLeading = addend.leading;
              multiplyBlock(product);
            });
}

}  // namespace fastweight::cpu
