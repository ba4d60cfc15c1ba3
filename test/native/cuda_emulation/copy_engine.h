// Barriers in shared memory that count threads and bytes, and the engine that copies boxes of
// tensors to shared memory.
#pragma once

#include <cstdint>

#include "cuda.h"

namespace cuda_emulation {

/// Where memory lies in the block's dynamic shared memory; ends the process elsewhere.
uint32_t sharedOffset(const void* shared);

void startBarrier(uint64_t* barrier, uint32_t threads);
/// Arrives; `bytes` more of copies belong to the phase.
void arriveAt(uint64_t* barrier, uint32_t bytes);
void waitForPhase(uint64_t* barrier, uint32_t parity);
void copyBox(void* shared, const CUtensorMap& map, uint64_t* barrier, int x, int y, int z);

}  // namespace cuda_emulation
