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

}  // namespace

void CpuDevice::gemm(const Gemm& g) {
  if (g.batch <= 0 || g.m <= 0 || g.n <= 0) return;
  const BlockGrid grid = planBlocks(g.batch, g.m, g.n, g.k, blockColumns(g.k));
  forBlocks(grid, g.batch, g.m, g.n,
            [&](int64_t b, int64_t row, int64_t rows, int64_t column, int64_t columns) {
              BlockProduct product;
              product.a[0] = operandOf(g.a, b, g.transposeA).at(row, 0);
              product.b[0] = operandOf(g.b, b, g.transposeB).at(0, column);
              product.m = rows;
              product.n = columns;
              product.k = g.k;
              product.alpha = g.alpha;
              product.beta = g.betas != nullptr ? g.betas[b] : g.beta;
              product.c = g.c.data + b * g.c.stride + row * g.c.leading + column;
              product.cLeading = g.c.leading;
              product.addend = product.c;
              product.addendLeading = g.c.leading;
              multiplyBlock(product);
            });
}

}  // namespace fastweight::cpu
