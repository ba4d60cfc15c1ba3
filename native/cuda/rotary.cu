// Rotary position embedding. A thread turns one pair of a token in every head, so that its angle's
// cosine and sine, of an angle in double, are computed once.
#include "cuda/cuda_device.h"
#include "cuda/launch.h"
#include "cuda/stored.cuh"

namespace fastweight::cuda {
namespace {

__global__ void __launch_bounds__(kBlockThreads) rotaryKernel(Rotary r) {
  const int64_t half = r.headDim / 2;
  const int64_t item = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (item >= r.batch * r.tokens * half) return;
  const int64_t row = item / half, pair = item % half, token = row % r.tokens;
  float cosine, sine;
  if (r.cosines != nullptr) {
    cosine = r.cosines[token * half + pair];
    sine = r.sines[token * half + pair];
  } else {
    const double frequency = pow(r.base, -static_cast<double>(pair) / static_cast<double>(half));
    const double angle = static_cast<double>(r.offset + token) * frequency;
    cosine = static_cast<float>(cos(angle));
    sine = static_cast<float>(sin(angle));
  }
  if (r.inverse) sine = -sine;
  const int64_t first = r.interleaved ? 2 * pair : pair;
  const int64_t second = r.interleaved ? first + 1 : first + half;
  for (int64_t head = 0; head < r.heads; ++head) {
    const int64_t at = (row * r.heads + head) * r.headDim;
    const float one = loadFloat(r.x, at + first), two = loadFloat(r.x, at + second);
    r.y[at + first] = one * cosine - two * sine;
    r.y[at + second] = two * cosine + one * sine;
  }
}

}  // namespace

Status CudaDevice::rotary(const Rotary& r) {
  const int64_t pairs = r.batch * r.tokens * (r.headDim / 2);
  launch(stream_, "rotary embedding", {divideUp(pairs, kBlockThreads)}, rotaryKernel, r);
  return Status::ok();
}

}  // namespace fastweight::cuda
