// Reductions of x [outer, reduced, inner] to y [outer, inner], softmax and running sums. How a sum
// is cut into parts depends on the sizes alone, so results are the same on every GPU.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/folds.cuh"
#include "cuda/shared_memory.cuh"

namespace fastweight::cuda {
namespace {

/// Columns up to which a warp takes a row.
constexpr int64_t kWarpColumns = 1024;
/// Blocks that fill a GPU: outputs below are cut into parts.
constexpr int64_t kEnoughBlocks = 1024;
/// The least a part is worth: elements of a row, or rows of a column.
constexpr int64_t kPartColumns = 16384, kPartRows = 64;

int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/// A reduced axis cut into `count` parts of `size`, the last one shorter.
struct Parts {
  int64_t size, count;

  Parts(int64_t reduced, int64_t items, int64_t least) : size(reduced), count(1) {
    const int64_t wanted = smaller(reduced / least, kEnoughBlocks / (items > 0 ? items : 1));
    if (wanted < 2) return;
    size = divideUp(divideUp(reduced, wanted), kElementsTogether) * kElementsTogether;
    count = divideUp(reduced, size);
  }
};

/// Where a part's total goes: to `totals` [parts, outputs], or finished to y where there is one.
template <typename Fold>
struct Sink {
  int64_t outputs, parts;
  double scale;
  typename Fold::Total* totals;
  typename Fold::Out* y;

  __device__ void put(int64_t output, int64_t part, typename Fold::Total total) const {
    if (parts == 1) {
      y[output] = Fold::finish(total, scale);
    } else {
      totals[part * outputs + output] = total;
    }
  }
};

/// A group of kThreads threads for each part of each row of x [rows, columns].
template <typename Fold, int kThreads, int width>
__global__ void __launch_bounds__(kBlockThreads)
    foldRowsKernel(int64_t columns, int64_t partSize, const typename Fold::In* x, Sink<Fold> sink) {
  using In = typename Fold::In;
  constexpr int kGroups = kBlockThreads / kThreads;
  const int64_t item = int64_t{blockIdx.x} * kGroups + threadIdx.x / kThreads;
  const int64_t row = item / sink.parts, part = item % sink.parts;
  if (kThreads == 32 && row >= sink.outputs) return;
  const In* from = x + row * columns;
  const int64_t begin = part * partSize;
  const int64_t end = begin + partSize < columns ? begin + partSize : columns;
  typename Fold::Total total = Fold::start(from);
  for (int64_t i = begin + threadIdx.x % kThreads * width; i < end; i += kThreads * width) {
    const Pack<In, width> values = load<width>(from + i);
    for (int k = 0; k < width; ++k) total = Fold::add(total, values.value[k], i + k);
  }
  total = groupFold<kThreads>(total, CombineOf<Fold>());
  if (threadIdx.x % kThreads == 0) sink.put(row, part, total);
}

constexpr int kTileColumns = 32, kTileRows = kBlockThreads / kTileColumns;

/// A block for each part of each tile of columns of x [outer, reduced, inner].
template <typename Fold>
__global__ void __launch_bounds__(kBlockThreads)
    foldColumnsKernel(int64_t reduced, int64_t inner, int64_t tiles, int64_t partSize,
                      const typename Fold::In* x, Sink<Fold> sink) {
  using Total = typename Fold::Total;
  __shared__ Total totals[kTileRows][kTileColumns];
  const int64_t item = blockIdx.x / sink.parts, part = blockIdx.x % sink.parts;
  const int64_t matrix = item / tiles;
  const int column = static_cast<int>(threadIdx.x) % kTileColumns;
  const int row = static_cast<int>(threadIdx.x) / kTileColumns;
  const int64_t at = item % tiles * kTileColumns + column;
  const typename Fold::In* from = x + matrix * reduced * inner + at;
  if (at < inner) {
    const int64_t begin = part * partSize;
    const int64_t end = begin + partSize < reduced ? begin + partSize : reduced;
    Total total = Fold::start(from);
    for (int64_t i = begin + row; i < end; i += kTileRows) {
      total = Fold::add(total, from[i * inner], i);
    }
    totals[row][column] = total;
  }
  __syncthreads();
  if (row != 0 || at >= inner) return;
  Total total = totals[0][column];
  for (int i = 1; i < kTileRows; ++i) total = Fold::combine(total, totals[i][column]);
  sink.put(matrix * inner + at, part, total);
}

template <typename Fold>
__global__ void __launch_bounds__(kBlockThreads) combinePartsKernel(Sink<Fold> sink) {
  const int64_t output = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (output >= sink.outputs) return;
  typename Fold::Total total = sink.totals[output];
  for (int64_t part = 1; part < sink.parts; ++part) {
    total = Fold::combine(total, sink.totals[part * sink.outputs + output]);
  }
  sink.y[output] = Fold::finish(total, sink.scale);
}

template <typename Fold, int kThreads>
void foldRows(Stream& stream, int64_t columns, const Parts& parts, const typename Fold::In* x,
              const Sink<Fold>& sink) {
  const LaunchShape shape = {divideUp(sink.outputs * parts.count, kBlockThreads / kThreads)};
  if (isPackable(x) && columns % kElementsTogether == 0) {
    launch(stream, "reduce", shape, foldRowsKernel<Fold, kThreads, kElementsTogether>, columns,
           parts.size, x, sink);
  } else {
    launch(stream, "reduce", shape, foldRowsKernel<Fold, kThreads, 1>, columns, parts.size, x,
           sink);
  }
}

template <typename Fold>
bool fold(Stream& stream, DeviceMemory& memory, int64_t outer, int64_t reduced, int64_t inner,
          double scale, const void* xData, void* yData) {
  const auto* x = static_cast<const typename Fold::In*>(xData);
  const int64_t outputs = outer * inner, tiles = divideUp(inner, kTileColumns);
  const Parts parts =
      inner == 1 ? Parts(reduced, outer, kPartColumns) : Parts(reduced, outer * tiles, kPartRows);
  Sink<Fold> sink = {outputs, parts.count, scale, nullptr, static_cast<typename Fold::Out*>(yData)};
  const bool hasParts = parts.count > 1;
  const Scratch totals(
      stream, memory,
      hasParts ? static_cast<size_t>(parts.count * outputs) * sizeof(typename Fold::Total) : 0);
  if (hasParts && totals.isNull()) return true;
  sink.totals = static_cast<typename Fold::Total*>(totals.data());
  if (inner != 1) {
    launch(stream, "reduce", {outer * tiles * parts.count}, foldColumnsKernel<Fold>, reduced, inner,
           tiles, parts.size, x, sink);
  } else if (reduced <= kWarpColumns) {
    foldRows<Fold, 32>(stream, reduced, parts, x, sink);
  } else {
    foldRows<Fold, kBlockThreads>(stream, reduced, parts, x, sink);
  }
  if (hasParts) {
    launch(stream, "reduce", {divideUp(outputs, kBlockThreads)}, combinePartsKernel<Fold>, sink);
  }
  return true;
}

/// Columns of which a block keeps its rows in shared memory.
constexpr int64_t kCachedFloats = 16384;

/// y = softmax of each row, by a group of kThreads threads each. Where `cached`, a row's values
/// stay in shared memory; else they wait in y.
template <int kThreads>
__global__ void __launch_bounds__(kBlockThreads)
    softmaxKernel(int64_t rows, int64_t columns, bool cached, const float* x, float* y) {
  constexpr int kGroups = kBlockThreads / kThreads;
  const int group = static_cast<int>(threadIdx.x) / kThreads;
  const int64_t row = int64_t{blockIdx.x} * kGroups + group;
  if (kThreads == 32 && row >= rows) return;
  const float* from = x + row * columns;
  float* to = y + row * columns;
  float* values = cached ? dynamicShared<float>() + group * columns : to;
  const int64_t first = threadIdx.x % kThreads;
  float largest = -HUGE_VALF;
  for (int64_t i = first; i < columns; i += kThreads) {
    const float value = from[i];
    if (cached) values[i] = value;
    largest = LargerOfTwo()(largest, value);
  }
  largest = groupLargest<kThreads>(largest);
  float sum = 0;
  for (int64_t i = first; i < columns; i += kThreads) {
    const float power = exponential((cached ? values[i] : from[i]) - largest);
    values[i] = power;
    sum += power;
  }
  const float scale = 1.0f / groupSum<kThreads>(sum);
  for (int64_t i = first; i < columns; i += kThreads) to[i] = values[i] * scale;
}

struct RunningSum {
  static __device__ double start() { return 0; }
  static __device__ double of(double a, double b) { return a + b; }
};
struct RunningProduct {
  static __device__ double start() { return 1; }
  static __device__ double of(double a, double b) { return a * b; }
};

/// A thread for each column of x [outer, size, inner].
template <typename Running>
__global__ void __launch_bounds__(kBlockThreads)
    cumulateColumnsKernel(bool exclusive, bool reverse, int64_t columns, int64_t size,
                          int64_t inner, const float* x, float* y) {
  const int64_t item = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (item >= columns) return;
  const int64_t offset = item / inner * size * inner + item % inner;
  double total = Running::start();
  for (int64_t i = 0; i < size; ++i) {
    const int64_t at = offset + (reverse ? size - 1 - i : i) * inner;
    const double before = total;
    total = Running::of(total, x[at]);
    y[at] = static_cast<float>(exclusive ? before : total);
  }
}

/// A block for each row of x [rows, size]: scans as long as the block, each from the last's total.
template <typename Running>
__global__ void __launch_bounds__(kBlockThreads)
    cumulateRowsKernel(bool exclusive, bool reverse, int64_t size, const float* x, float* y) {
  constexpr int kWarps = kBlockThreads / 32;
  __shared__ double ofWarps[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int64_t offset = int64_t{blockIdx.x} * size;
  double carried = Running::start();
  for (int64_t begin = 0; begin < size; begin += kBlockThreads) {
    const int64_t i = begin + threadIdx.x;
    const int64_t at = offset + (reverse ? size - 1 - i : i);
    double total = i < size ? static_cast<double>(x[at]) : Running::start();
    for (int step = 1; step < 32; step *= 2) {
      const double before = __shfl_up_sync(kWholeWarp, total, step);
      if (lane >= step) total = Running::of(before, total);
    }
    double before = __shfl_up_sync(kWholeWarp, total, 1);
    if (lane == 0) before = Running::start();
    if (lane == 31) ofWarps[warp] = total;
    __syncthreads();
    double start = carried;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) start = Running::of(start, ofWarps[w]);
      carried = Running::of(carried, ofWarps[w]);
    }
    if (i < size) y[at] = static_cast<float>(Running::of(start, exclusive ? before : total));
    __syncthreads();
  }
}

template <typename Running>
void cumulate(Stream& stream, bool exclusive, bool reverse, int64_t outer, int64_t size,
              int64_t inner, const float* x, float* y) {
  if (inner == 1) {
    launch(stream, "cumulative", {outer}, cumulateRowsKernel<Running>, exclusive, reverse, size, x,
           y);
  } else {
    launch(stream, "cumulative", {divideUp(outer * inner, kBlockThreads)},
           cumulateColumnsKernel<Running>, exclusive, reverse, outer * inner, size, inner, x, y);
  }
}

}  // namespace

bool CudaDevice::reduce(ReduceOp op, ElementType type, int64_t outer, int64_t reduced,
                        int64_t inner, const void* x, void* y) {
  const auto run = [&](auto of, double scale = 1) {
    return fold<decltype(of)>(stream_, memory_, outer, reduced, inner, scale, x, y);
  };
  const bool isFloat = type == ElementType::kFloat32, isInt = type == ElementType::kInt32;
  const bool isBool = type == ElementType::kBool;
  switch (op) {
    case ReduceOp::kSum:
      return isFloat ? run(FloatSum()) : isInt ? run(IntSum()) : run(BoolSum());
    case ReduceOp::kMean:
      return isFloat && run(FloatSum(), 1.0 / static_cast<double>(reduced));
    case ReduceOp::kProd:
      return !isBool && (isFloat ? run(FloatProduct()) : run(IntProduct()));
    case ReduceOp::kMax:
      return !isBool && (isFloat ? run(FloatLargest()) : run(IntLargest()));
    case ReduceOp::kMin:
      return !isBool && (isFloat ? run(FloatSmallest()) : run(IntSmallest()));
    case ReduceOp::kAny:
      return isBool && run(BoolAny());
    case ReduceOp::kAll:
      return isBool && run(BoolAll());
    case ReduceOp::kCount:
      break;
  }
  return false;
}

void CudaDevice::argReduce(bool largest, int64_t outer, int64_t reduced, int64_t inner,
                           const float* x, int32_t* y) {
  if (reduced == 0) return fill(ElementType::kInt32, outer * inner, 0, y);
  if (largest) {
    fold<FloatLeader<true>>(stream_, memory_, outer, reduced, inner, 1, x, y);
  } else {
    fold<FloatLeader<false>>(stream_, memory_, outer, reduced, inner, 1, x, y);
  }
}

void CudaDevice::softmax(int64_t rows, int64_t columns, const float* x, float* y) {
  const auto run = [&](auto kernel, int64_t groups) {
    const int64_t floats = groups * columns;
    const bool cached = floats <= kCachedFloats;
    launch(stream_, "softmax", {divideUp(rows, groups), kBlockThreads, cached ? floats * 4 : 0},
           kernel, rows, columns, cached, x, y);
  };
  if (columns <= kWarpColumns) {
    run(softmaxKernel<32>, kBlockThreads / 32);
  } else {
    run(softmaxKernel<kBlockThreads>, 1);
  }
}

void CudaDevice::cumulative(bool isProduct, bool exclusive, bool reverse, int64_t outer,
                            int64_t size, int64_t inner, const float* x, float* y) {
  if (isProduct) {
    cumulate<RunningProduct>(stream_, exclusive, reverse, outer, size, inner, x, y);
  } else {
    cumulate<RunningSum>(stream_, exclusive, reverse, outer, size, inner, x, y);
  }
}

}  // namespace fastweight::cuda
