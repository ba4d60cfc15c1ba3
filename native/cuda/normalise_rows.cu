// RMS, layer and L2 norms of rows. Each is y = (x - mean) * factor with the mean and the factor
// taken from the row; the mean is 0 but for the layer norm. A group of threads takes a row and
// keeps it in shared memory, so that it is read once.
#include "cuda/cuda_device.h"
#include "cuda/group_fold.cuh"
#include "cuda/shared_memory.cuh"
#include "cuda/stored.cuh"

namespace fastweight::cuda {
namespace {

/// Columns up to which a warp takes a row.
constexpr int64_t kWarpColumns = 1024;
/// Floats of shared memory that a block may take.
constexpr int64_t kSharedFloats = 24 * 1024;

struct RowStatistics {
  float mean, factor;
  /// xCotangent = factor * (g - mean(g)?) - (x - mean) * pull * sum(g * (x - mean)), where g is the
  /// cotangent of the normalised row.
  double pull;
};

/// The elements of a row that a thread of a group of kThreads has: every kThreads-th pack.
template <int kThreads, int width>
struct OwnColumns {
  int64_t columns;

  template <typename Body>
  __device__ __forceinline__ void each(Body body) const {
    for (int64_t i = threadIdx.x % kThreads * width; i < columns; i += kThreads * width) body(i);
  }
};

template <int kThreads, int width>
__device__ RowStatistics statisticsOf(RowNorm norm, OwnColumns<kThreads, width> own, float epsilon,
                                      const StoredFloats& x) {
  const float count = static_cast<float>(own.columns);
  float mean = 0;
  if (norm == RowNorm::kLayer) {
    float sum = 0;
    own.each([&](int64_t i) {
      const Pack<float, width> values = loadFloats<width>(x, i);
      for (const float value : values.value) sum += value;
    });
    mean = groupSum<kThreads>(sum) / count;
  }
  float square = 0;
  own.each([&](int64_t i) {
    const Pack<float, width> values = loadFloats<width>(x, i);
    for (const float value : values.value) square += (value - mean) * (value - mean);
  });
  square = groupSum<kThreads>(square);
  if (norm == RowNorm::kL2) {
    const double length = sqrt(static_cast<double>(square));
    const double factor = 1 / (length + epsilon);
    return {mean, static_cast<float>(factor), length > 0 ? factor * factor / length : 0};
  }
  const double factor = 1 / sqrt(static_cast<double>(square) / count + epsilon);
  return {mean, static_cast<float>(factor), factor * factor * factor / count};
}

/// A group of kThreads threads for each row. `cached`: rows fit in shared memory.
template <int kThreads, int width>
__global__ void __launch_bounds__(kBlockThreads) normaliseRowsKernel(NormaliseRows n, bool cached) {
  constexpr int kGroups = kBlockThreads / kThreads;
  const int group = static_cast<int>(threadIdx.x) / kThreads;
  const int64_t row = int64_t{blockIdx.x} * kGroups + group;
  if (row >= n.rows) return;
  const OwnColumns<kThreads, width> own = {n.columns};
  const int64_t first = row * n.columns;
  StoredFloats x = from(n.x, first);
  if (cached) {
    // A thread reads back only what it wrote.
    float* kept = dynamicShared<float>() + group * n.columns;
    own.each([&](int64_t i) { store(kept + i, loadFloats<width>(x, i)); });
    x.data = kept;
    x.storage = Storage::kFloat32;
  }
  const RowStatistics s = statisticsOf(n.norm, own, n.epsilon, x);
  own.each([&](int64_t i) {
    Pack<float, width> values = loadFloats<width>(x, i);
    for (float& value : values.value) value = (value - s.mean) * s.factor;
    if (n.weight != nullptr) {
      const Pack<float, width> weight = load<width>(n.weight + i);
      for (int k = 0; k < width; ++k) values.value[k] *= weight.value[k];
    }
    if (n.bias != nullptr) {
      const Pack<float, width> bias = load<width>(n.bias + i);
      for (int k = 0; k < width; ++k) values.value[k] += bias.value[k];
    }
    store(n.y, first + i, values);
  });
}

/// Where the groups of a backward keep the sums of their rows' shares of the parameters'
/// cotangents: [groups, columns] each, or null.
struct ParameterSums {
  float *weight, *bias;
};

/// Groups take the rows r, r + groups, ... and leave their sums in `sums`. `floats` of shared
/// memory a group hold x and g of a row where `cached`.
template <int kThreads, int width>
__global__ void __launch_bounds__(kBlockThreads)
    normaliseRowsBackwardKernel(NormaliseRowsBackward n, bool cached, int64_t groups,
                                ParameterSums sums) {
  constexpr int kGroups = kBlockThreads / kThreads;
  const int inBlock = static_cast<int>(threadIdx.x) / kThreads;
  const int64_t group = int64_t{blockIdx.x} * kGroups + inBlock;
  if (group >= groups) return;
  const OwnColumns<kThreads, width> own = {n.columns};
  float* kept = dynamicShared<float>() + inBlock * 2 * n.columns;
  float* weightSum = sums.weight == nullptr ? nullptr : sums.weight + group * n.columns;
  float* biasSum = sums.bias == nullptr ? nullptr : sums.bias + group * n.columns;
  own.each([&](int64_t i) {
    const Pack<float, width> none = {};
    if (weightSum != nullptr) store(weightSum + i, none);
    if (biasSum != nullptr) store(biasSum + i, none);
  });
  for (int64_t row = group; row < n.rows; row += groups) {
    StoredFloats x = from(n.x, row * n.columns);
    const float* dy = n.yCotangent + row * n.columns;
    float* dx = n.xCotangent + row * n.columns;
    if (cached) {
      own.each([&](int64_t i) {
        store(kept + i, loadFloats<width>(x, i));
        store(kept + n.columns + i, load<width>(dy + i));
      });
      x.data = kept;
      x.storage = Storage::kFloat32;
      dy = kept + n.columns;
    }
    const RowStatistics s = statisticsOf(n.norm, own, n.epsilon, x);
    const auto weighted = [&](int64_t i) {
      Pack<float, width> g = load<width>(dy + i);
      if (n.weight != nullptr) {
        const Pack<float, width> weight = load<width>(n.weight + i);
        for (int k = 0; k < width; ++k) g.value[k] *= weight.value[k];
      }
      return g;
    };
    float along = 0, total = 0;
    own.each([&](int64_t i) {
      const Pack<float, width> g = weighted(i), values = loadFloats<width>(x, i);
      for (int k = 0; k < width; ++k) {
        along += g.value[k] * (values.value[k] - s.mean);
        total += g.value[k];
      }
    });
    along = groupSum<kThreads>(along);
    const float shift = n.norm == RowNorm::kLayer
                            ? groupSum<kThreads>(total) / static_cast<float>(n.columns)
                            : 0.0f;
    const float pull = static_cast<float>(s.pull * along);
    own.each([&](int64_t i) {
      const Pack<float, width> g = weighted(i), values = loadFloats<width>(x, i);
      const Pack<float, width> cotangent = load<width>(dy + i);
      Pack<float, width> result;
      for (int k = 0; k < width; ++k) {
        const float centred = values.value[k] - s.mean;
        result.value[k] = s.factor * (g.value[k] - shift) - centred * pull;
      }
      if (weightSum != nullptr) {
        Pack<float, width> sum = load<width>(weightSum + i);
        for (int k = 0; k < width; ++k) {
          sum.value[k] += cotangent.value[k] * ((values.value[k] - s.mean) * s.factor);
        }
        store(weightSum + i, sum);
      }
      if (biasSum != nullptr) {
        Pack<float, width> sum = load<width>(biasSum + i);
        for (int k = 0; k < width; ++k) sum.value[k] += cotangent.value[k];
        store(biasSum + i, sum);
      }
      store(dx + i, result);
    });
  }
}

/// out [columns] = the sum of the rows of sums [groups, columns], in order.
__global__ void __launch_bounds__(kBlockThreads)
    addGroupsKernel(int64_t groups, int64_t columns, const float* sums, float* out) {
  constexpr int kColumns = 32, kRows = kBlockThreads / kColumns;
  __shared__ double parts[kRows][kColumns];
  const int column = static_cast<int>(threadIdx.x) % kColumns;
  const int row = static_cast<int>(threadIdx.x) / kColumns;
  const int64_t at = int64_t{blockIdx.x} * kColumns + column;
  double sum = 0;
  if (at < columns) {
    for (int64_t group = row; group < groups; group += kRows) sum += sums[group * columns + at];
  }
  parts[row][column] = sum;
  __syncthreads();
  if (row != 0 || at >= columns) return;
  for (int other = 1; other < kRows; ++other) sum += parts[other][column];
  out[at] = static_cast<float>(sum);
}

/// Rows of which one group of a backward takes at least so many where it sums for parameters, and
/// the most groups: that many fill a GPU.
constexpr int64_t kLeastRows = 8, kMostGroups = 2048;

/// run(width) with packs where all that is set may be read so.
template <typename Run>
void withWidth(bool packable, Run run) {
  if (packable) {
    run(std::integral_constant<int, kElementsTogether>());
  } else {
    run(std::integral_constant<int, 1>());
  }
}

/// run(threads of a group) by the length of a row.
template <typename Run>
void withThreads(int64_t columns, Run run) {
  if (columns <= kWarpColumns) {
    run(std::integral_constant<int, 32>());
  } else {
    run(std::integral_constant<int, kBlockThreads>());
  }
}

}  // namespace

void CudaDevice::normaliseRows(const NormaliseRows& n) {
  const bool packable = n.columns % kElementsTogether == 0 && isPackable(n.x) && isPackable(n.y) &&
                        isPackable(n.weight) && isPackable(n.bias);
  withThreads(n.columns, [&](auto threads) {
    constexpr int kThreads = decltype(threads)::value, kGroups = kBlockThreads / kThreads;
    const int64_t floats = kGroups * n.columns;
    const bool cached = floats <= kSharedFloats;
    withWidth(packable, [&](auto width) {
      launch(stream_, "row norm",
             {divideUp(n.rows, kGroups), kBlockThreads, cached ? floats * 4 : 0},
             normaliseRowsKernel<kThreads, decltype(width)::value>, n, cached);
    });
  });
}

Status CudaDevice::normaliseRowsBackward(const NormaliseRowsBackward& n) {
  const bool weight = n.weightCotangent != nullptr, bias = n.biasCotangent != nullptr;
  const bool packable = n.columns % kElementsTogether == 0 && isPackable(n.x) &&
                        isPackable(n.weight) && isPackable(n.yCotangent) &&
                        isPackable(n.xCotangent);
  int64_t groups = n.rows;
  if (weight || bias) {
    groups = divideUp(n.rows, kLeastRows);
    if (groups > kMostGroups) groups = kMostGroups;
  }
  const int64_t sumFloats = groups * n.columns;
  const Scratch sums(stream_, memory_, static_cast<size_t>((weight + bias) * sumFloats) * 4);
  if ((weight || bias) && sumFloats > 0 && sums.isNull()) return stream_.takeFailure();
  const ParameterSums parts = {weight ? sums.floats() : nullptr,
                               bias ? sums.floats() + (weight ? sumFloats : 0) : nullptr};
  withThreads(n.columns, [&](auto threads) {
    constexpr int kThreads = decltype(threads)::value, kGroups = kBlockThreads / kThreads;
    const int64_t floats = kGroups * 2 * n.columns;
    const bool cached = floats <= kSharedFloats;
    withWidth(packable, [&](auto width) {
      launch(stream_, "row norm's backward",
             {divideUp(groups, kGroups), kBlockThreads, cached ? floats * 4 : 0},
             normaliseRowsBackwardKernel<kThreads, decltype(width)::value>, n, cached, groups,
             parts);
    });
  });
  const LaunchShape shape = {divideUp(n.columns, 32)};
  if (weight) {
    launch(stream_, "row norm's backward", shape, addGroupsKernel, groups, n.columns, parts.weight,
           n.weightCotangent);
  }
  if (bias) {
    launch(stream_, "row norm's backward", shape, addGroupsKernel, groups, n.columns, parts.bias,
           n.biasCotangent);
  }
  return Status::ok();
}

}  // namespace fastweight::cuda
