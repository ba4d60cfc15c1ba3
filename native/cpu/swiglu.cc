// The fast network's hidden layer, its gradient and the backward of that gradient.
#include <algorithm>

#include "cpu/cpu_device.h"
#include "cpu/gemm_block.h"
#include "cpu/gemm_plan.h"
#include "cpu/thread_pool.h"
#include "cpu/thread_scratch.h"
#include "cpu/vector_kernels.h"
#include "fastweight/gradient_products.h"

namespace fastweight::cpu {
namespace {

/// Workspace floats of a tile. Larger tiles are no faster; smaller ones read the weights more
/// often.
constexpr int64_t kTileFloats = int64_t{5} << 19;

constexpr float kUnitRates[3] = {1, 1, 1};

/// The step sizes of token t of batch entry b. [3]
const float* ratesOf(const ConstMatrices& rates, int64_t b, int64_t t) {
  return rates.data == nullptr ? kUnitRates : rates.data + b * rates.stride + t * rates.leading;
}

template <typename Views>
auto* entryOf(const Views& views, int64_t b, int64_t row, int64_t column) {
  return views.data + b * views.stride + row * views.leading + column;
}

/// x w^T: rows of x from `row` on, and of w from `column` on. [rows, columns]
FusedProduct productWithRows(const ConstMatrices& x, const ConstMatrices& w, int64_t b, int64_t row,
                             int64_t column, int64_t k) {
  FusedProduct product;
  product.a = {entryOf(x, b, row, 0), x.leading, 1};
  product.b = {entryOf(w, b, column, 0), 1, w.leading};
  product.k = k;
  return product;
}

/// multiplyFused() with any callable epilogue(row, rows).
template <typename Epilogue>
void multiplyThen(const FusedProduct* products, int count, int64_t m, int64_t n,
                  Epilogue epilogue) {
  multiplyFused(
      products, count, m, n,
      [](void* context, int64_t row, int64_t rows) {
        (*static_cast<Epilogue*>(context))(row, rows);
      },
      &epilogue);
}

/// body(b, t) for every token of every batch entry, on all threads.
template <typename Body>
void forTokens(int64_t batch, int64_t tokens, int64_t hiddenDim, Body body) {
  const int64_t grain = std::max<int64_t>(1, 4096 / std::max<int64_t>(1, hiddenDim));
  parallelFor(batch * tokens, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) body(item / tokens, item % tokens);
  });
}

}  // namespace

int64_t CpuDevice::tileTokens(int64_t rows, int64_t hiddenDim) const {
  const int64_t tokens = kTileFloats / std::max<int64_t>(1, rows * 3 * hiddenDim);
  return std::max<int64_t>(64, std::min<int64_t>(2048, tokens / 64 * 64));
}

void CpuDevice::swiglu(const Swiglu& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  const int64_t sumOfK = 2 * p.keyDim;
  const BlockGrid grid = planBlocks(p.batch, p.tokens, p.hiddenDim, sumOfK, fusedColumns(sumOfK));
  forBlocks(grid, p.batch, p.tokens, p.hiddenDim,
            [&](int64_t b, int64_t row, int64_t rows, int64_t column, int64_t columns) {
              FusedProduct products[2] = {
                  productWithRows(p.x, p.w02, b, row, column, p.keyDim),
                  productWithRows(p.x, p.w02, b, row, p.hiddenDim + column, p.keyDim)};
              // g and u stay with the thread; in gateUp only where it has no memory for them.
              float* tiles = p.keepGateUp
                                 ? nullptr
                                 : threadScratch(ScratchUse::kTiles, 2 * groupRows() * columns);
              const int64_t leading = tiles != nullptr ? 2 * columns : p.gateUp.leading;
              products[0].c = tiles != nullptr ? tiles : entryOf(p.gateUp, b, row, column);
              products[1].c = products[0].c + (tiles != nullptr ? columns : p.hiddenDim);
              for (FusedProduct& product : products) {
                product.cLeading = leading;
                product.reuseC = tiles != nullptr;
              }
              multiplyThen(products, 2, rows, columns, [&](int64_t start, int64_t count) {
                const int64_t first = tiles != nullptr ? 0 : start;
                for (int64_t t = 0; t < count; ++t) {
                  vectorKernels().swiglu(columns, products[0].c + (first + t) * leading,
                                         products[1].c + (first + t) * leading,
                                         entryOf(p.hidden, b, row + start + t, column));
                }
              });
            });
}

void CpuDevice::swigluGradient(const SwigluGradient& p) {
  if (p.batch <= 0 || p.tokens <= 0 || p.hiddenDim <= 0) return;
  const int64_t sumOfK = 2 * p.keyDim + p.valueDim;
  const BlockGrid grid = planBlocks(p.batch, p.tokens, p.hiddenDim, sumOfK, fusedColumns(sumOfK));
  forBlocks(grid, p.batch, p.tokens, p.hiddenDim,
            [&](int64_t b, int64_t row, int64_t rows, int64_t column, int64_t columns) {
              FusedProduct products[3] = {
                  productWithRows(p.k, p.w02, b, row, column, p.keyDim),
                  productWithRows(p.k, p.w02, b, row, p.hiddenDim + column, p.keyDim),
                  productWithRows(p.v, p.w1, b, row, 0, p.valueDim)};
              products[2].b = {entryOf(p.w1, b, 0, column), p.w1.leading, 1};
              products[0].c = entryOf(p.gateUp, b, row, column);
              products[1].c = products[0].c + p.hiddenDim;
              products[2].c = entryOf(p.dHidden, b, row, column);
              products[0].cLeading = products[1].cLeading = p.gateUp.leading;
              products[2].cLeading = p.dHidden.leading;
              multiplyThen(products, 3, rows, columns, [&](int64_t start, int64_t count) {
                if (p.activationsOnly) return;
                for (int64_t t = start; t < start + count; ++t) {
                  float* gate = products[0].c + t * p.gateUp.leading;
                  float* up = products[1].c + t * p.gateUp.leading;
                  float* dHidden = products[2].c + t * p.dHidden.leading;
                  vectorKernels().swigluGradient(columns, ratesOf(p.rates, b, row + t), gate, up,
                                                 dHidden, gate, up, dHidden);
                }
              });
            });
}

void CpuDevice::scaleSwigluGradient(const ScaleSwigluGradient& p) {
  forTokens(p.batch, p.tokens, p.hiddenDim, [&](int64_t b, int64_t t) {
    const float* gate = entryOf(p.gateUp, b, t, 0);
    float* scaled = entryOf(p.scaledGateUp, b, t, 0);
    vectorKernels().swigluGradient(p.hiddenDim, ratesOf(p.rates, b, t), gate, gate + p.hiddenDim,
                                   entryOf(p.dHidden, b, t, 0), scaled, scaled + p.hiddenDim,
                                   entryOf(p.scaledHidden, b, t, 0));
  });
}

void CpuDevice::swigluGradientBackward(const SwigluGradientBackward& p) {
  const GradientActivations activations = runGradientProducts(*this, p);
  forTokens(p.batch, p.tokens, p.hiddenDim, [&](int64_t b, int64_t t) {
    const float* gate = entryOf(activations.gateUp, b, t, 0);
    float* scaled = entryOf(p.scaledGateUp, b, t, 0);
    float* cotangent = entryOf(p.gateUpCotangent, b, t, 0);
    vectorKernels().swigluGradientBackward(
        p.hiddenDim, ratesOf(p.rates, b, t), gate, gate + p.hiddenDim,
        entryOf(activations.dHidden, b, t, 0), scaled, scaled + p.hiddenDim,
        entryOf(p.scaledHidden, b, t, 0), cotangent, cotangent + p.hiddenDim,
        entryOf(p.dHiddenCotangent, b, t, 0), entryOf(p.ratesCotangent, b, t, 0));
  });
}

}  // namespace fastweight::cpu
