// The dynamic shared memory of a block.
#pragma once

#include <cuda_runtime.h>

namespace fastweight::cuda {

/// The bytes that the block was launched with, aligned to 16.
template <typename T>
__device__ __forceinline__ T* dynamicShared() {
  extern __shared__ __align__(16) unsigned char fastweightSharedMemory[];
  return reinterpret_cast<T*>(fastweightSharedMemory);
}

}  // namespace fastweight::cuda
