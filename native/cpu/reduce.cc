// Reductions of x [outer, reduced, inner] to y [outer, inner], softmax and running sums. How a sum
// is cut into blocks depends on the sizes alone, so results do not depend on the threads.
#include <cstring>
#include <limits>

#include "cpu/cpu_device.h"
#include "cpu/elementwise_loops.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrain = 32768;
/// Elements (rows, where the last axis is kept) whose sum runs in float.
constexpr int64_t kRunBlock = 4096;
constexpr int64_t kRowBlock = 64;
/// Columns that are summed at a time, in buffers that stay in the first-level cache.
constexpr int64_t kColumns = 256;
/// Parts of one long sum that run on different threads.
constexpr int64_t kParts = 64;

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t grainFor(int64_t itemSize) {
  return itemSize < kGrain ? kGrain / (itemSize > 0 ? itemSize : 1) : 1;
}

/// Combines blocks' folds: sums in double.
double start(Fold fold) {
  switch (fold) {
    case Fold::kProd:
      return 1;
    case Fold::kMax:
      return -HUGE_VAL;
    case Fold::kMin:
      return HUGE_VAL;
    default:
      return 0;
  }
}

double combine(Fold fold, double a, double b) {
  switch (fold) {
    case Fold::kProd:
      return a * b;
    case Fold::kMax:
      return b > a || b != b ? b : a;
    case Fold::kMin:
      return b < a || b != b ? b : a;
    default:
      return a + b;
  }
}

double foldLong(Fold fold, int64_t count, const float* x) {
  const auto loop = elementwiseLoops().fold[static_cast<int>(fold)];
  double total = start(fold);
  for (int64_t i = 0; i < count; i += kRunBlock) {
    total = combine(fold, total, loop(smaller(kRunBlock, count - i), x + i));
  }
  return total;
}

/// One long run, in parts that are folded side by side.
double foldParts(Fold fold, int64_t count, const float* x) {
  const int64_t blocks = (count + kRunBlock - 1) / kRunBlock;
  const int64_t partSize = (blocks + kParts - 1) / kParts * kRunBlock;
  const int64_t parts = (count + partSize - 1) / partSize;
  double partials[kParts];
  parallelFor(parts, grainFor(partSize), [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t from = part * partSize;
      partials[part] = foldLong(fold, smaller(partSize, count - from), x + from);
    }
  });
  double total = start(fold);
  for (int64_t part = 0; part < parts; ++part) total = combine(fold, total, partials[part]);
  return total;
}

void foldLastAxis(Fold fold, int64_t rows, int64_t columns, double scale, const float* x,
                  float* y) {
  if (columns >= kParts * kRunBlock) {
    for (int64_t row = 0; row < rows; ++row) {
      y[row] = static_cast<float>(foldParts(fold, columns, x + row * columns) * scale);
    }
    return;
  }
  parallelFor(rows, grainFor(columns), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      y[row] = static_cast<float>(foldLong(fold, columns, x + row * columns) * scale);
    }
  });
}

/// The columns [0, columns) of one [reduced, inner] matrix.
void foldColumns(Fold fold, int64_t reduced, int64_t inner, int64_t columns, double scale,
                 const float* x, float* y) {
  const auto loop = elementwiseLoops().foldRows[static_cast<int>(fold)];
  double totals[kColumns];
  float block[kColumns];
  for (int64_t i = 0; i < columns; ++i) totals[i] = start(fold);
  for (int64_t row = 0; row < reduced; row += kRowBlock) {
    for (int64_t i = 0; i < columns; ++i) block[i] = static_cast<float>(start(fold));
    loop(smaller(kRowBlock, reduced - row), inner, columns, x + row * inner, block);
    for (int64_t i = 0; i < columns; ++i) totals[i] = combine(fold, totals[i], block[i]);
  }
  for (int64_t i = 0; i < columns; ++i) y[i] = static_cast<float>(totals[i] * scale);
}

void foldMiddleAxis(Fold fold, int64_t outer, int64_t reduced, int64_t inner, double scale,
                    const float* x, float* y) {
  const int64_t tiles = (inner + kColumns - 1) / kColumns;
  parallelFor(outer * tiles, grainFor(reduced * smaller(inner, kColumns)),
              [=](int64_t begin, int64_t end) {
                for (int64_t item = begin; item < end; ++item) {
                  const int64_t at = item / tiles, column = item % tiles * kColumns;
                  foldColumns(fold, reduced, inner, smaller(kColumns, inner - column), scale,
                              x + at * reduced * inner + column, y + at * inner + column);
                }
              });
}

void foldFloats(Fold fold, int64_t outer, int64_t reduced, int64_t inner, double scale,
                const void* xData, void* yData) {
  const float* x = static_cast<const float*>(xData);
  float* y = static_cast<float*>(yData);
  if (inner == 1) {
    foldLastAxis(fold, outer, reduced, scale, x, y);
  } else {
    foldMiddleAxis(fold, outer, reduced, inner, scale, x, y);
  }
}

/// Reductions of integers and booleans, where the order of operations does not matter.
template <typename In, typename Out, typename Of>
bool foldExact(int64_t outer, int64_t reduced, int64_t inner, const void* xData, void* yData,
               Out begin, Of of) {
  const In* x = static_cast<const In*>(xData);
  Out* y = static_cast<Out*>(yData);
  parallelFor(outer, grainFor(reduced * inner), [=](int64_t first, int64_t last) {
    for (int64_t at = first; at < last; ++at) {
      for (int64_t i = 0; i < inner; ++i) {
        Out total = begin;
        const In* from = x + at * reduced * inner + i;
        for (int64_t row = 0; row < reduced; ++row) total = of(total, from[row * inner]);
        y[at * inner + i] = total;
      }
    }
  });
  return true;
}

bool foldInts(ReduceOp op, int64_t outer, int64_t reduced, int64_t inner, const void* x, void* y) {
  using Limits = std::numeric_limits<int32_t>;
  const auto run = [=](int32_t begin, auto of) {
    return foldExact<int32_t, int32_t>(outer, reduced, inner, x, y, begin, of);
  };
  switch (op) {
    case ReduceOp::kSum:
      return run(0, [](int32_t a, int32_t b) { return sum(a, b); });
    case ReduceOp::kProd:
      return run(1, [](int32_t a, int32_t b) { return product(a, b); });
    case ReduceOp::kMax:
      return run(Limits::min(), [](int32_t a, int32_t b) { return b > a ? b : a; });
    case ReduceOp::kMin:
      return run(Limits::max(), [](int32_t a, int32_t b) { return b < a ? b : a; });
    default:
      return false;
  }
}

bool foldBools(ReduceOp op, int64_t outer, int64_t reduced, int64_t inner, const void* x, void* y) {
  switch (op) {
    case ReduceOp::kSum:
      return foldExact<uint8_t, int32_t>(outer, reduced, inner, x, y, int32_t{0},
                                         [](int32_t a, uint8_t b) { return a + b; });
    case ReduceOp::kAny:
      return foldExact<uint8_t, uint8_t>(
          outer, reduced, inner, x, y, uint8_t{0},
          [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a | (b != 0)); });
    case ReduceOp::kAll:
      return foldExact<uint8_t, uint8_t>(
          outer, reduced, inner, x, y, uint8_t{1},
          [](uint8_t a, uint8_t b) { return static_cast<uint8_t>(a & (b != 0)); });
    default:
      return false;
  }
}

}  // namespace

bool CpuDevice::reduce(ReduceOp op, ElementType type, int64_t outer, int64_t reduced, int64_t inner,
                       const void* x, void* y) {
  if (type == ElementType::kInt32) return foldInts(op, outer, reduced, inner, x, y);
  if (type == ElementType::kBool) return foldBools(op, outer, reduced, inner, x, y);
  const auto run = [=](Fold fold, double scale) {
    foldFloats(fold, outer, reduced, inner, scale, x, y);
    return true;
  };
  switch (op) {
    case ReduceOp::kSum:
      return run(Fold::kSum, 1);
    case ReduceOp::kMean:
      return run(Fold::kSum, 1.0 / static_cast<double>(reduced));
    case ReduceOp::kProd:
      return run(Fold::kProd, 1);
    case ReduceOp::kMax:
      return run(Fold::kMax, 1);
    case ReduceOp::kMin:
      return run(Fold::kMin, 1);
    default:
      return false;
  }
}

void CpuDevice::argReduce(bool largest, int64_t outer, int64_t reduced, int64_t inner,
                          const float* x, int32_t* y) {
  parallelFor(outer * inner, grainFor(reduced), [=](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const float* from = x + item / inner * reduced * inner + item % inner;
      int64_t best = 0;
      for (int64_t i = 1; i < reduced; ++i) {
        const float value = from[i * inner], leader = from[best * inner];
        if (largest ? value > leader : value < leader) best = i;
      }
      y[item] = static_cast<int32_t>(best);
    }
  });
}

void CpuDevice::softmax(int64_t rows, int64_t columns, const float* x, float* y) {
  const auto loop = elementwiseLoops().softmax;
  parallelFor(rows, grainFor(columns), [=](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      loop(columns, x + row * columns, y + row * columns);
    }
  });
}

void CpuDevice::cumulative(bool isProduct, bool exclusive, bool reverse, int64_t outer,
                           int64_t size, int64_t inner, const float* x, float* y) {
  parallelFor(outer * inner, grainFor(size), [=](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t offset = item / inner * size * inner + item % inner;
      double total = isProduct ? 1 : 0;
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = offset + (reverse ? size - 1 - i : i) * inner;
        const double before = total;
        total = isProduct ? total * x[at] : total + x[at];
        y[at] = static_cast<float>(exclusive ? before : total);
      }
    }
  });
}

}  // namespace fastweight::cpu
