// Softmax cross-entropy of rows of logits.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {
namespace {

/// A running largest value, and the sum of e^(x - largest) so far.
struct Exponentials {
  float largest, sum;
};

__device__ __forceinline__ Exponentials ofPartner(Exponentials value, int bits) {
  return {cuda::ofPartner(value.largest, bits), cuda::ofPartner(value.sum, bits)};
}

struct AddExponentials {
  __device__ __forceinline__ Exponentials operator()(Exponentials a, Exponentials b) const {
    const float largest = LargerOfTwo()(a.largest, b.largest);
    // Where nothing came yet there is nothing to scale: infinities would leave NaN.
    const float aSum = a.sum == 0.0f ? 0.0f : a.sum * exponential(a.largest - largest);
    const float bSum = b.sum == 0.0f ? 0.0f : b.sum * exponential(b.largest - largest);
    return {largest, aSum + bSum};
  }
};

/// A block for each row, which is read once: statistics [rows, 2], and the row's loss.
__global__ void __launch_bounds__(kBlockThreads)
    crossEntropyRowsKernel(CrossEntropy c, double* losses) {
  const int64_t row = blockIdx.x;
  const float* x = c.logits + row * c.classes;
  Exponentials own = {-HUGE_VALF, 0};
  for (int64_t i = threadIdx.x; i < c.classes; i += kBlockThreads) {
    const float value = x[i];
    if (value <= own.largest) {
      own.sum += exponential(value - own.largest);
    } else {
      own = {value, (own.sum == 0.0f ? 0.0f : own.sum * exponential(own.largest - value)) + 1};
    }
  }
  own = groupFold<kBlockThreads>(own, AddExponentials());
  if (threadIdx.x != 0) return;
  const float logSum = static_cast<float>(log(static_cast<double>(own.sum)));
  c.logSumExp[2 * row] = own.largest;
  c.logSumExp[2 * row + 1] = logSum;
  const int32_t label = c.labels[row];
  losses[row] = label < 0 ? 0 : (own.largest - static_cast<double>(x[label])) + logSum;
}

/// One block: the mean over the rows that have a label.
__global__ void __launch_bounds__(kBlockThreads)
    meanLossKernel(int64_t rows, const int32_t* labels, const double* losses, float* loss) {
  double sum = 0;
  int64_t counted = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kBlockThreads) {
    sum += losses[row];
    counted += labels[row] >= 0;
  }
  sum = groupSum<kBlockThreads>(sum);
  counted = groupSum<kBlockThreads>(counted);
  if (threadIdx.x != 0) return;
  *loss = counted == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(counted));
}

/// One block: what a counted row's cotangent is scaled with.
__global__ void __launch_bounds__(kBlockThreads)
    lossScaleKernel(int64_t rows, const int32_t* labels, const float* lossCotangent, float* scale) {
  int64_t counted = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kBlockThreads) counted += labels[row] >= 0;
  counted = groupSum<kBlockThreads>(counted);
  if (threadIdx.x != 0) return;
  *scale = counted == 0 ? 0.0f : *lossCotangent / static_cast<float>(counted);
}

/// A block for each row.
template <int width>
__global__ void __launch_bounds__(kBlockThreads)
    crossEntropyBackwardKernel(CrossEntropyBackward c, const float* scale) {
  const int64_t row = blockIdx.x;
  const float* x = c.logits + row * c.classes;
  float* dx = c.logitsCotangent + row * c.classes;
  const int32_t label = c.labels[row];
  const float largest = c.logSumExp[2 * row], logSum = c.logSumExp[2 * row + 1];
  const float factor = *scale;
  for (int64_t i = int64_t{threadIdx.x} * width; i < c.classes; i += kBlockThreads * width) {
    Pack<float, width> values = {};
    if (label >= 0) {
      values = load<width>(x + i);
      for (int k = 0; k < width; ++k) {
        const float probability = exponential((values.value[k] - largest) - logSum);
        values.value[k] = factor * (probability - (i + k == label ? 1.0f : 0.0f));
      }
    }
    store(dx + i, values);
  }
}

/// The least row whose label is `classes` or more.
__global__ void __launch_bounds__(kBlockThreads)
    wrongLabelKernel(int64_t rows, int64_t classes, const int32_t* labels,
                     unsigned long long* wrong) {
  const int64_t row = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (row < rows && labels[row] >= classes) atomicMin(wrong, static_cast<unsigned long long>(row));
}

}  // namespace

int64_t CudaDevice::firstLabelOutOfRange(int64_t rows, int64_t classes, const int32_t* labels) {
  const Scratch found(stream_, memory_, sizeof(unsigned long long));
  if (found.isNull()) return -1;
  unsigned long long wrong = static_cast<unsigned long long>(rows);
  cudaMemsetAsync(found.data(), 0xff, sizeof wrong, stream_.handle());
  launch(stream_, "labels", {divideUp(rows, kBlockThreads)}, wrongLabelKernel, rows, classes,
         labels, static_cast<unsigned long long*>(found.data()));
  copyToHost(&wrong, found.data(), sizeof wrong);
  return wrong < static_cast<unsigned long long>(rows) ? static_cast<int64_t>(wrong) : -1;
}

void CudaDevice::crossEntropy(const CrossEntropy& c) {
  const Scratch losses(stream_, memory_, static_cast<size_t>(c.rows) * sizeof(double));
  if (c.rows > 0 && losses.isNull()) return;
  launch(stream_, "cross-entropy", {c.rows}, crossEntropyRowsKernel, c, losses.doubles());
  launch(stream_, "cross-entropy", {1}, meanLossKernel, c.rows, c.labels, losses.doubles(), c.loss);
}

void CudaDevice::crossEntropyBackward(const CrossEntropyBackward& c) {
  const Scratch scale(stream_, memory_, sizeof(float));
  if (scale.isNull()) return;
  launch(stream_, "cross-entropy's backward", {1}, lossScaleKernel, c.rows, c.labels,
         c.lossCotangent, scale.floats());
  const bool packable =
      isPackable(c.logits) && isPackable(c.logitsCotangent) && c.classes % kElementsTogether == 0;
  launch(stream_, "cross-entropy's backward", {c.rows},
         packable ? crossEntropyBackwardKernel<kElementsTogether> : crossEntropyBackwardKernel<1>,
         c, scale.floats());
}

}  // namespace fastweight::cuda
