// The emulation's stand-in for native/cuda/idle_memory.h.
#pragma once

#include "cuda_emulation/memory_pools.h"

namespace fastweight::cuda {

inline void becomesIdle(void* memory, size_t) { cuda_emulation::becomesIdle(memory); }
inline void endsIdle(void* memory, size_t) { cuda_emulation::endsIdle(memory); }

}  // namespace fastweight::cuda
