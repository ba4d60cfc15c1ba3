// Symmetric products: what is on and below the diagonal, then mirrored.
#include <algorithm>

#include "cuda/cuda_device.h"
#include "cuda/launch.h"
#include "cuda/tile_plan.h"

namespace fastweight::cuda {
namespace {

constexpr int kSide = 32;
constexpr int kRowsTogether = 8;

/// A block handles the square (row block, column block) on or below the diagonal of one matrix;
/// blocks above it end at once.
struct Square {
  int64_t batch, row, column;
  bool isBelow;
};

__device__ __forceinline__ Square squareOf(int64_t n) {
  const int64_t side = (n + kSide - 1) / kSide;
  const int64_t index = blockIdx.x;
  const int64_t row = index / side % side, column = index % side;
  return {index / side / side, row * kSide, column * kSide, column <= row};
}

int64_t squares(int64_t batch, int64_t n) {
  const int64_t side = divideUp(n, kSide);
  return batch * side * side;
}

/// Copies what lies below the diagonal of c [n, n] above it.
__global__ void __launch_bounds__(kSide* kRowsTogether) mirrorKernel(int64_t n, Matrices c) {
  const Square square = squareOf(n);
  if (!square.isBelow) return;
  __shared__ float tile[kSide][kSide + 1];
  float* matrix = c.data + square.batch * c.stride;
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  for (int i = y; i < kSide; i += kRowsTogether) {
    const int64_t row = square.row + i, column = square.column + x;
    if (row < n && column < n) tile[i][x] = matrix[row * c.leading + column];
  }
  __syncthreads();
  for (int i = y; i < kSide; i += kRowsTogether) {
    const int64_t row = square.column + i, column = square.row + x;
    if (row < column && column < n) matrix[row * c.leading + column] = tile[x][i];
  }
}

__global__ void __launch_bounds__(kBlockThreads)
    addDiagonalKernel(int64_t count, int64_t n, float value, Matrices c) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i < count) c.data[i / n * c.stride + i % n * (c.leading + 1)] += value;
}

/// c = alpha (p + p^T) / 2 + beta addend. p [batch, n, n] packed.
__global__ void __launch_bounds__(kSide* kRowsTogether)
    symmetriseKernel(int64_t n, float alpha, float beta, const float* p, ConstMatrices addend,
                     Matrices c) {
  const Square square = squareOf(n);
  if (!square.isBelow) return;
  __shared__ float below[kSide][kSide + 1], above[kSide][kSide + 1];
  p += square.batch * n * n;
  const int x = static_cast<int>(threadIdx.x) % kSide, y = static_cast<int>(threadIdx.x) / kSide;
  for (int i = y; i < kSide; i += kRowsTogether) {
    int64_t row = square.row + i, column = square.column + x;
    if (row < n && column < n) below[i][x] = p[row * n + column];
    row = square.column + i, column = square.row + x;
    if (row < n && column < n) above[i][x] = p[row * n + column];
  }
  __syncthreads();
  const float* added = beta == 0 ? nullptr : addend.data + square.batch * addend.stride;
  float* result = c.data + square.batch * c.stride;
  // The block below the diagonal, then the one above it: equal sums, in either order.
  for (int i = y; i < kSide; i += kRowsTogether) {
    const int64_t row = square.row + i, column = square.column + x;
    if (row < n && column < n) {
      float value = 0.5f * alpha * (below[i][x] + above[x][i]);
      if (added != nullptr) value += beta * added[row * addend.leading + column];
      result[row * c.leading + column] = value;
    }
  }
  if (square.row == square.column) return;
  for (int i = y; i < kSide; i += kRowsTogether) {
    const int64_t row = square.column + i, column = square.row + x;
    if (row < n && column < n) {
      float value = 0.5f * alpha * (below[x][i] + above[i][x]);
      if (added != nullptr) value += beta * added[row * addend.leading + column];
      result[row * c.leading + column] = value;
    }
  }
}

}  // namespace

void CudaDevice::symmetricProduct(const SymmetricProduct& s) {
  if (s.batch <= 0 || s.n <= 0) return;
  if (tileProducts_.areAvailable() && precision_ == MatmulPrecision::kBfloat16 && s.k > 0) {
    reducedSymmetricProduct(s);
    return;
  }
  multiplyBlocks(s);
  if (s.diagonal == 0) return;
  stream_.activate();
  launch(stream_, "adding to a diagonal", {divideUp(s.batch * s.n, kBlockThreads)},
         addDiagonalKernel, s.batch * s.n, s.n, s.diagonal, s.c);
}

/// By our own kernel, one launch.
void CudaDevice::reducedSymmetricProduct(const SymmetricProduct& s) {
  ReducedSymmetricProduct p;
  p.element = operandElement(s.precise);
  p.batch = s.batch;
  p.n = s.n;
  p.alpha = s.symmetrise ? 0.5f * s.alpha : s.alpha;
  p.beta = s.beta;
  p.diagonal = s.diagonal;
  const Operand a = operands_.of(p.element, s.a, s.batch, s.n, s.k);
  const Operand b = operands_.of(p.element, s.b, s.batch, s.n, s.k);
  p.pairs[0] = {a, b, s.k};
  p.pairs[1] = {b, a, s.k};
  p.pairCount = s.symmetrise ? 2 : 1;
  if (s.addend.data != nullptr && s.beta != 0) {
    p.reducedAddend = operands_.alone(p.element, s.addend, s.batch, s.n, s.n);
    if (p.reducedAddend.data == nullptr) p.addend = s.addend;
  }
  bool hasMemory = a.data != nullptr && b.data != nullptr;
  const bool isAlone = s.forProducts && reducesResults();
  if (!isAlone) p.result = s.c;
  if (operands_.inProducts()) {
    // The next product would have to round it.
    p.reducedResult = operands_.toProduce(p.element, s.c, s.batch, s.n, s.n, isAlone);
    hasMemory = hasMemory && p.reducedResult.data != nullptr;
  }
  if (hasMemory) tileProducts_.multiplySymmetric(p);
  operands_.productDone();
  if (!operands_.inProducts()) operands_.written(s.c, s.batch, s.n);
}

/// By cuBLASLt, block by block.
void CudaDevice::multiplyBlocks(const SymmetricProduct& s) {
  const bool adds = s.addend.data != nullptr && s.beta != 0;
  Gemm g;
  g.batch = s.batch;
  g.k = s.k;
  g.transposeB = true;
  g.precise = s.precise;
  const LaunchShape shape = {squares(s.batch, s.n), kSide * kRowsTogether};
  if (s.symmetrise) {
    const Scratch whole(stream_, memory_, static_cast<size_t>(s.batch * s.n * s.n) * sizeof(float));
    if (whole.isNull()) return;
    g.m = g.n = s.n;
    g.a = s.a;
    g.b = s.b;
    g.c = packed(whole.floats(), s.n, s.n);
    gemm(g);
    stream_.activate();
    launch(stream_, "symmetrising a product", shape, symmetriseKernel, s.n, s.alpha,
           adds ? s.beta : 0.0f, static_cast<const float*>(whole.floats()), s.addend, s.c);
    operands_.written(s.c, s.batch, s.n);
    return;
  }
  g.alpha = s.alpha;
  g.beta = adds ? s.beta : 0;
  g.m = g.n = s.n;
  g.a = s.a;
  g.b = s.b;
  g.c = s.c;
  if (s.k <= 0) {
    g.addend = adds ? s.addend : ConstMatrices();
    gemm(g);
    return;
  }
  const Product whole = productOf(g, s.a, s.b, g.beta, adds ? s.addend : ConstMatrices(s.c));
  if (whole.a.data == nullptr || whole.b.data == nullptr) {
    operands_.productDone();
    return;
  }
  const int64_t parts = symmetricParts(s.batch, s.n, stream_.multiprocessors());
  const int64_t side = (s.n + parts - 1) / parts;
  for (int64_t row = 0; row < s.n; row += side) {
    for (int64_t column = 0; column <= row; column += side) {
      Product part = whole;
      part.m = std::min(side, s.n - row);
      part.n = std::min(side, s.n - column);
      part.a = whole.a.at(whole.inputs, row, 0);
      part.b = whole.b.at(whole.inputs, column, 0);
      part.addend = whole.addend.at(whole.results, row, column);
      part.c = whole.c.at(whole.results, row, column);
      products_.multiply(part);
    }
  }
  operands_.productDone();
  operands_.written(s.c, s.batch, s.n);
  stream_.activate();
  launch(stream_, "mirroring a product", shape, mirrorKernel, s.n, s.c);
}

}  // namespace fastweight::cuda
