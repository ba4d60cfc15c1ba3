// The emulation's stand-in for native/cuda/tensor_copy.cuh. Copies are carried out when they start
// or, where the threads of a block run in reverse, when somebody waits for them: a wait that is
// missing, or comes too late, reads or overwrites what it must not in one of the two.
#pragma once

#include "cuda.h"
#include "cuda/warpgroup.cuh"
#include "cuda_emulation/copy_engine.h"

namespace fastweight::cuda {

struct alignas(8) CopyBarrier {
  uint64_t state;

  void start(uint32_t threads) { cuda_emulation::startBarrier(&state, threads); }
  void arrive() { cuda_emulation::arriveAt(&state, 0); }
  void arriveExpecting(uint32_t bytes) { cuda_emulation::arriveAt(&state, bytes); }
  void wait(uint32_t parity) { cuda_emulation::waitForPhase(&state, parity); }
};

inline void publishBarriers() {}

inline void copyBox(void* shared, const CUtensorMap& map, CopyBarrier& barrier, int x, int y,
                    int z) {
  cuda_emulation::copyBox(shared, map, &barrier.state, x, y, z);
}

}  // namespace fastweight::cuda
