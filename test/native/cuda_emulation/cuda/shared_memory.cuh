// The emulation's stand-in for native/cuda/shared_memory.cuh.
#pragma once

#include "cuda_emulation/threads.h"

namespace fastweight::cuda {

template <typename T>
T* dynamicShared() {
  return static_cast<T*>(cuda_emulation::dynamicSharedMemory());
}

}  // namespace fastweight::cuda
