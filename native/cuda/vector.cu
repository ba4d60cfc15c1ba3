// Vector steps of the fast-weight algorithm. Long sums run in double in an order that is fixed.
#include <algorithm>
#include <vector>

#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"

namespace fastweight::cuda {
namespace {

struct Axpby {
  float alpha, beta;
  const float* x;
  float* y;

  template <int width>
  __device__ void at(int64_t i) const {
    Pack<float, width> values = load<width>(x + i);
    Pack<float, width> before = {};
    if (beta != 0) before = load<width>(y + i);
    for (int j = 0; j < width; ++j) {
      values.value[j] = alpha * values.value[j] + beta * before.value[j];
    }
    store(y + i, values);
  }
};

struct ScaleRows {
  int64_t count;
  const float* scales;
  float* y;

  template <int width>
  __device__ void at(int64_t i) const {
    Pack<float, width> values = load<width>(y + i);
    for (int j = 0; j < width; ++j) values.value[j] *= scales[(i + j) / count];
    store(y + i, values);
  }
};

__global__ void __launch_bounds__(kBlockThreads)
    sumRowsKernel(int64_t count, int64_t stride, const float* x, float* out) {
  const float* row = x + blockIdx.x * stride;
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kBlockThreads) sum += row[i];
  sum = groupSum<kBlockThreads>(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = static_cast<float>(sum);
}

__global__ void __launch_bounds__(kBlockThreads)
    addToRowsKernel(int64_t all, int64_t count, int64_t stride, float alpha, const float* x,
                    float* y) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i < all) y[i / count * stride + i % count] += alpha * x[i / count];
}

/// flags[block] = 1 where one of the block's share of x is not finite.
__global__ void __launch_bounds__(kBlockThreads)
    notFiniteKernel(int64_t count, const float* x, int32_t* flags) {
  bool bad = false;
  const int64_t step = int64_t{gridDim.x} * kBlockThreads;
  for (int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x; i < count; i += step) {
    bad = bad || !(fabsf(x[i]) < HUGE_VALF);
  }
  const int any = __syncthreads_or(bad ? 1 : 0);
  if (threadIdx.x == 0) flags[blockIdx.x] = any;
}

}  // namespace

void CudaDevice::axpby(int64_t count, float alpha, const float* x, float beta, float* y) {
  stream_.activate();
  forElements(stream_, "axpby", count, isPackable(x) && isPackable(y), Axpby{alpha, beta, x, y});
}

void CudaDevice::scaleRows(int64_t batch, int64_t count, const float* scales, float* y) {
  if (count <= 0) return;
  stream_.activate();
  forElements(stream_, "scaleRows", batch * count, isPackable(y), ScaleRows{count, scales, y});
}

void CudaDevice::sumRows(int64_t batch, int64_t count, int64_t stride, const float* x, float* out) {
  stream_.activate();
  launch(stream_, "sumRows", {batch}, sumRowsKernel, count, stride, x, out);
}

void CudaDevice::addToRows(int64_t batch, int64_t count, int64_t stride, float alpha,
                           const float* x, float* y) {
  stream_.activate();
  launch(stream_, "addToRows", {divideUp(batch * count, kBlockThreads)}, addToRowsKernel,
         batch * count, count, stride, alpha, x, y);
}

bool CudaDevice::allFinite(int64_t count, const float* x) {
  if (count <= 0) return true;
  constexpr int64_t kMostBlocks = 1024;
  const int64_t blocks = std::min(kMostBlocks, divideUp(count, kBlockThreads * 4));
  const Scratch scratch(stream_, memory_, static_cast<size_t>(blocks) * sizeof(int32_t));
  if (scratch.isNull()) return true;  // what failed is recorded
  auto* flags = static_cast<int32_t*>(scratch.data());
  stream_.activate();
  launch(stream_, "allFinite", {blocks}, notFiniteKernel, count, x, flags);
  std::vector<int32_t> bad(static_cast<size_t>(blocks));
  copyToHost(bad.data(), flags, bad.size() * sizeof(int32_t));
  return std::all_of(bad.begin(), bad.end(), [](int32_t flag) { return flag == 0; });
}

}  // namespace fastweight::cuda
