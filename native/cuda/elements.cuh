// Kernels that do the same for every element of arrays: four at a time where all arrays allow
// access by 16 bytes.
#pragma once

#include <cstdint>

#include "cuda/launch.h"
#include "cuda/stream.h"

namespace fastweight::cuda {

constexpr int kElementsTogether = 4;

/// `width` elements that are read or written together.
template <typename T, int width>
struct alignas(sizeof(T) * width) Pack {
  T value[width];
};

template <int width, typename T>
__device__ __forceinline__ Pack<T, width> load(const T* at) {
  return *reinterpret_cast<const Pack<T, width>*>(at);
}

template <int width, typename T>
__device__ __forceinline__ void store(T* at, const Pack<T, width>& values) {
  *reinterpret_cast<Pack<T, width>*>(at) = values;
}

/// Whether packs of kElementsTogether elements may be read and written from here on.
template <typename T>
__host__ __device__ bool isPackable(const T* data) {
  return reinterpret_cast<uintptr_t>(data) % (sizeof(T) * kElementsTogether) == 0;
}

template <int width, typename Body>
__global__ void __launch_bounds__(kBlockThreads) forElementsKernel(int64_t count, Body body) {
  int64_t i = (int64_t{blockIdx.x} * kBlockThreads + threadIdx.x) * width;
  if (i + width <= count) {
    body.template at<width>(i);
  } else {
    for (; i < count; ++i) body.template at<1>(i);
  }
}

/// body.at<width>(i) for all i < count that are multiples of `width`; `width` divides the address
/// of element i of every array where `packable` says that the arrays start so.
template <typename Body>
void forElements(Stream& stream, const char* what, int64_t count, bool packable, const Body& body) {
  if (packable) {
    launch(stream, what, {divideUp(count, kBlockThreads * kElementsTogether)},
           forElementsKernel<kElementsTogether, Body>, count, body);
  } else {
    launch(stream, what, {divideUp(count, kBlockThreads)}, forElementsKernel<1, Body>, count, body);
  }
}

}  // namespace fastweight::cuda
