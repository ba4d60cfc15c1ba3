// Symmetric products: blocks on and below the diagonal are computed, then mirrored.
#include <algorithm>
#include <cmath>

#include "cpu/cpu_device.h"
#include "cpu/gemm_block.h"
#include "cpu/micro_kernel.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// The lower triangle of [n, n] in strips of columns, and each strip, from its diagonal down, in
/// blocks of rows. The first block of a strip holds its square on the diagonal.
class TriangleGrid {
 public:
  TriangleGrid(int64_t batch, int64_t n, int64_t k) : n_(n) {
    const int64_t width = microKernels().columns;
    // Three blocks a thread or more, so that an unlucky one is not waited for long.
    const double share = 0.5 * static_cast<double>(n) * static_cast<double>(n) *
                         static_cast<double>(batch) / (3.0 * threadCount());
    const int64_t side = static_cast<int64_t>(std::sqrt(share)) / width * width;
    columns_ = std::max(width, std::min(side, blockColumns(k)));
    const int64_t height = static_cast<int64_t>(share) / columns_ / width * width;
    rows_ = std::max(columns_, height);
    for (int64_t column = 0; column < n; column += columns_) blocks_ += blocksOf(column);
  }

  int64_t blocks() const { return blocks_; }

  /// body(row, rows, column, columns) for block `index`.
  template <typename Body>
  void visit(int64_t index, Body body) const {
    int64_t column = 0;
    for (; index >= blocksOf(column); column += columns_) index -= blocksOf(column);
    const int64_t row = column + index * rows_;
    body(row, std::min(rows_, n_ - row), column, std::min(columns_, n_ - column));
  }

 private:
  int64_t blocksOf(int64_t column) const { return (n_ - column + rows_ - 1) / rows_; }

  int64_t n_, rows_ = 1, columns_ = 1, blocks_ = 0;
};

/// Copies what lies below the diagonal of c [n, n] above it.
void mirrorSquare(int64_t n, float* c, int64_t leading) {
  constexpr int64_t kTile = 16;
  const MicroKernels& kernels = microKernels();
  for (int64_t j = 0; j < n; j += kTile) {
    const int64_t end = std::min(n, j + kTile);
    for (int64_t i = j; i < end; ++i) {
      for (int64_t p = j; p < i; ++p) c[p * leading + i] = c[i * leading + p];
    }
    if (end < n) {
      kernels.transpose(n - end, end - j, c + end * leading + j, leading, c + j * leading + end,
                        leading);
    }
  }
}

}  // namespace

void CpuDevice::symmetricProduct(const SymmetricProduct& s) {
  if (s.batch <= 0 || s.n <= 0) return;
  const TriangleGrid grid(s.batch, s.n, s.k);
  const bool add = s.addend.data != nullptr && s.beta != 0;
  const auto computeBlock = [&](int64_t b, int64_t row, int64_t rows, int64_t column,
                                int64_t columns) {
    const float* x = s.a.data + b * s.a.stride;
    const float* y = s.b.data + b * s.b.stride;
    float* c = s.c.data + b * s.c.stride;
    BlockProduct product;
    product.terms = s.symmetrise ? 2 : 1;
    product.a[0] = Operand{x, s.a.leading, 1}.at(row, 0);
    product.b[0] = Operand{y, 1, s.b.leading}.at(0, column);
    product.a[1] = Operand{y, s.b.leading, 1}.at(row, 0);
    product.b[1] = Operand{x, 1, s.a.leading}.at(0, column);
    product.m = rows;
    product.n = columns;
    product.k = s.k;
    product.alpha = s.symmetrise ? 0.5f * s.alpha : s.alpha;
    product.beta = add ? s.beta : 0;
    if (add) product.addend = s.addend.data + b * s.addend.stride + row * s.addend.leading + column;
    product.addendLeading = s.addend.leading;
    product.c = c + row * s.c.leading + column;
    product.cLeading = s.c.leading;
    product.diagonal = row - column;
    multiplyBlock(product);
    // Tiles that cross the diagonal wrote above it, but inside this block's square.
    int64_t below = row;
    if (row == column) {
      if (s.diagonal != 0) {
        for (int64_t i = 0; i < columns; ++i) product.c[i * s.c.leading + i] += s.diagonal;
      }
      mirrorSquare(columns, product.c, s.c.leading);
      below = row + columns;
    }
    if (below < row + rows) {
      microKernels().transpose(row + rows - below, columns, c + below * s.c.leading + column,
                               s.c.leading, c + column * s.c.leading + below, s.c.leading);
    }
  };
  const int64_t blocks = grid.blocks();
  const int64_t work = s.n * s.n * (s.k + 1) / blocks;
  parallelFor(s.batch * blocks, std::max<int64_t>(1, (int64_t{1} << 18) / (work + 1)),
              [&](int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                  grid.visit(item % blocks,
                             [&](int64_t row, int64_t rows, int64_t column, int64_t columns) {
                               computeBlock(item / blocks, row, rows, column, columns);
                             });
                }
              });
}

}  // namespace fastweight::cpu
