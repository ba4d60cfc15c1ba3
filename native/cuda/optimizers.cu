// The passes of optimizers over all variables of a step: one launch over the blocks of all tensors.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"

namespace fastweight::cuda {
namespace {

/// Elements that one block takes of a tensor.
constexpr int64_t kBlockElements = 4096;

int64_t blocksOf(int64_t count) { return divideUp(count, kBlockElements); }

/// Tensors whose table goes to a kernel as a parameter, of which there may be 32 KB.
constexpr int kTensorsTogether = 512;

template <typename Tensor>
struct TensorTable {
  int tensors = 0;
  /// The first block of each tensor, and the number of blocks.
  int64_t firstBlocks[kTensorsTogether + 1] = {};
  Tensor tensor[kTensorsTogether];

  __device__ int tensorOf(int64_t block) const {
    int low = 0, high = tensors;  // firstBlocks[low] <= block < firstBlocks[high]
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (firstBlocks[middle] <= block) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }
};

/// body(table, blocks before it) for tables of all tensors.
template <typename Tensor, typename Body>
void forTables(int64_t tensors, const Tensor* tensor, Body body) {
  int64_t before = 0;
  for (int64_t first = 0; first < tensors; first += kTensorsTogether) {
    TensorTable<Tensor> table;
    for (int64_t t = first; t < tensors && t < first + kTensorsTogether; ++t) {
      if (tensor[t].count == 0) continue;
      table.tensor[table.tensors] = tensor[t];
      ++table.tensors;
      table.firstBlocks[table.tensors] =
          table.firstBlocks[table.tensors - 1] + blocksOf(tensor[t].count);
    }
    body(table, before);
    before += table.firstBlocks[table.tensors];
  }
}

struct AdamWElements {
  AdamWStep step;
  AdamWTensor tensor;

  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<float, width> gradient = load<width>(tensor.gradient + i);
    Pack<float, width> variable = load<width>(tensor.variable + i);
    Pack<float, width> first = load<width>(tensor.first + i);
    Pack<float, width> second = load<width>(tensor.second + i);
    for (int k = 0; k < width; ++k) {
      const float g = gradient.value[k];
      const float m = step.beta1 * first.value[k] + step.oneMinusBeta1 * g;
      const float v = step.beta2 * second.value[k] + step.oneMinusBeta2 * (g * g);
      first.value[k] = m;
      second.value[k] = v;
      const float direction = m / (sqrtf(v / step.secondCorrection) + step.epsilon);
      variable.value[k] = step.kept * variable.value[k] - step.rate * direction;
    }
    store(tensor.variable + i, variable);
    store(tensor.first + i, first);
    store(tensor.second + i, second);
  }
};

__global__ void __launch_bounds__(kBlockThreads)
    adamWKernel(const __grid_constant__ AdamWStep step,
                const __grid_constant__ TensorTable<AdamWTensor> table) {
  const int t = table.tensorOf(blockIdx.x);
  const AdamWTensor& tensor = table.tensor[t];
  const int64_t begin = (blockIdx.x - table.firstBlocks[t]) * kBlockElements;
  const int64_t end = begin + kBlockElements < tensor.count ? begin + kBlockElements : tensor.count;
  const AdamWElements elements = {step, tensor};
  int64_t i = begin + threadIdx.x;
  if (isPackable(tensor.variable) && isPackable(tensor.gradient) && isPackable(tensor.first) &&
      isPackable(tensor.second)) {
    i = begin + int64_t{threadIdx.x} * kElementsTogether;
    for (; i + kElementsTogether <= end; i += kBlockThreads * kElementsTogether) {
      elements.template at<kElementsTogether>(i);
    }
    i = begin + (end - begin) / kElementsTogether * kElementsTogether + threadIdx.x;
  }
  for (; i < end; i += kBlockThreads) elements.template at<1>(i);
}

struct MuonMomentumBody {
  MuonMomentum m;

  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<float, width> gradient = load<width>(m.gradient + i);
    Pack<float, width> average = load<width>(m.average + i), direction;
    for (int k = 0; k < width; ++k) {
      const float taken = m.oneMinusMomentum * gradient.value[k];
      const float next = m.momentum * average.value[k] + taken;
      average.value[k] = next;
      direction.value[k] = m.nesterov ? m.momentum * next + taken : next;
    }
    store(m.average + i, average);
    store(m.direction + i, direction);
  }
};

/// sums[block] = sum of the squares of a block's elements.
__global__ void __launch_bounds__(kBlockThreads)
    sumSquaresKernel(const __grid_constant__ TensorTable<FloatsView> table, double* sums) {
  const int t = table.tensorOf(blockIdx.x);
  const FloatsView& tensor = table.tensor[t];
  const int64_t begin = (blockIdx.x - table.firstBlocks[t]) * kBlockElements;
  const int64_t end = begin + kBlockElements < tensor.count ? begin + kBlockElements : tensor.count;
  double sum = 0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlockThreads) {
    const double value = tensor.data[i];
    sum += value * value;
  }
  sum = groupSum<kBlockThreads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kBlockThreads)
    normOfSumsKernel(int64_t count, const double* sums, float* norm) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kBlockThreads) sum += sums[i];
  sum = groupSum<kBlockThreads>(sum);
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sum));
}

}  // namespace

void CudaDevice::adamW(const AdamWStep& step, int64_t tensors, const AdamWTensor* tensor) {
  forTables(tensors, tensor, [&](const TensorTable<AdamWTensor>& table, int64_t) {
    launch(stream_, "AdamW", {table.firstBlocks[table.tensors]}, adamWKernel, step, table);
  });
}

void CudaDevice::muonMomentum(const MuonMomentum& m) {
  const bool packable = isPackable(m.gradient) && isPackable(m.average) && isPackable(m.direction);
  forElements(stream_, "Muon's momentum", m.count, packable, MuonMomentumBody{m});
}

Status CudaDevice::globalNorm(int64_t tensors, const FloatsView* tensor, float* norm) {
  int64_t blocks = 0;
  for (int64_t t = 0; t < tensors; ++t) blocks += blocksOf(tensor[t].count);
  const Scratch sums(stream_, memory_, static_cast<size_t>(blocks + 1) * sizeof(double));
  if (sums.isNull()) return stream_.takeFailure();
  forTables(tensors, tensor, [&](const TensorTable<FloatsView>& table, int64_t before) {
    launch(stream_, "global norm", {table.firstBlocks[table.tensors]}, sumSquaresKernel, table,
           sums.doubles() + before);
  });
  launch(stream_, "global norm", {1}, normOfSumsKernel, blocks, sums.doubles(), norm);
  return Status::ok();
}

}  // namespace fastweight::cuda
