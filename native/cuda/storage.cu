// Float32 values to and from bfloat16, in which activations may be stored.
#include "cuda/cuda_device.h"
#include "cuda/reduced.cuh"

namespace fastweight::cuda {
namespace {

template <typename From, typename To>
struct ConvertBody {
  const From* x;
  To* y;

  template <int width>
  __device__ void at(int64_t i) const {
    store(y + i, loadFloats<width>(x + i));
  }
};

template <typename From, typename To>
void convert(Stream& stream, const char* what, int64_t count, const From* x, To* y) {
  forElements(stream, what, count, isPackable(x) && isPackable(y), ConvertBody<From, To>{x, y});
}

}  // namespace

void CudaDevice::roundToBfloat16(int64_t count, const float* x, void* y) {
  convert(stream_, "rounding to bfloat16", count, x, static_cast<__nv_bfloat16*>(y));
}

void CudaDevice::widenBfloat16(int64_t count, const void* x, float* y) {
  convert(stream_, "widening bfloat16", count, static_cast<const __nv_bfloat16*>(x), y);
}

}  // namespace fastweight::cuda
