// Vector steps of the fast-weight algorithm. Long sums run in double over fixed blocks.
#include <cmath>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrain = 16384;

}  // namespace

void CpuDevice::axpby(int64_t count, float alpha, const float* x, float beta, float* y) {
  parallelFor(count, kGrain, [=](int64_t begin, int64_t end) {
    if (beta == 0) {
      for (int64_t i = begin; i < end; ++i) y[i] = alpha * x[i];
    } else {
      for (int64_t i = begin; i < end; ++i) y[i] = alpha * x[i] + beta * y[i];
    }
  });
}

void CpuDevice::scaleRows(int64_t batch, int64_t count, const float* scales, float* y) {
  parallelFor(batch * count, kGrain, [=](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t row = begin / count;
      const int64_t stop = end < (row + 1) * count ? end : (row + 1) * count;
      const float scale = scales[row];
      for (int64_t i = begin; i < stop; ++i) y[i] *= scale;
      begin = stop;
    }
  });
}

void CpuDevice::sumRows(int64_t batch, int64_t count, int64_t stride, const float* x, float* out) {
  for (int64_t row = 0; row < batch; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += x[row * stride + i];
    out[row] = static_cast<float>(sum);
  }
}

void CpuDevice::addToRows(int64_t batch, int64_t count, int64_t stride, float alpha, const float* x,
                          float* y) {
  for (int64_t row = 0; row < batch; ++row) {
    const float value = alpha * x[row];
    for (int64_t i = 0; i < count; ++i) y[row * stride + i] += value;
  }
}

bool CpuDevice::allFinite(int64_t count, const float* x) {
  // x - x is 0 for a finite x and NaN otherwise.
  float sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i] - x[i];
  return sum == 0;
}

}  // namespace fastweight::cpu
