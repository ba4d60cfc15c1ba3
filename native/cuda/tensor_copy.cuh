// Copies of boxes of a tensor to shared memory by the bulk tensor copy engine of Hopper (PTX ISA,
// "cp.async.bulk.tensor"), and the barriers in shared memory that they arrive at ("mbarrier").
#pragma once

#include <cuda.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/warpgroup.cuh"

namespace fastweight::cuda {

/// A barrier passes from phase to phase, each time that all that it waits for has arrived: threads,
/// and bytes of copies.
struct alignas(8) CopyBarrier {
  uint64_t state;

  /// By one thread, before all others see it behind publishBarriers() and a barrier of the block.
  __device__ __forceinline__ void start(uint32_t threads) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(this)), "r"(threads)
                 : "memory");
  }
  __device__ __forceinline__ void arrive() {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(this)) : "memory");
  }
  /// Arrives, and `bytes` of copies belong to this phase.
  __device__ __forceinline__ void arriveExpecting(uint32_t bytes) {
    FASTWEIGHT_HOPPER(asm volatile(
        "mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(this)),
        "r"(bytes) : "memory"));
  }
  /// Waits until the phase of this parity is over. That of a new barrier is 0; the one before it
  /// counts as over.
  __device__ __forceinline__ void wait(uint32_t parity) {
    FASTWEIGHT_HOPPER(
        asm volatile("{\n.reg .pred over;\n"
                     "again: mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
                     "@!over bra again;\n}" ::"r"(sharedAddress(this)),
                     "r"(parity) : "memory"));
  }
};

/// Behind start() of all barriers, by the thread that called it.
__device__ __forceinline__ void publishBarriers() {
  FASTWEIGHT_HOPPER(asm volatile("fence.mbarrier_init.release.cluster;" :: : "memory"));
}

/// Starts to copy the box of `map` at (x, y, z) to `shared`, on 1024 bytes. Its bytes, zeros for
/// what lies outside of the tensor included, arrive at `barrier`. The 16-byte pieces of line y lie
/// at their place with y % 8 xored to it.
__device__ __forceinline__ void copyBox(void* shared, const CUtensorMap& map, CopyBarrier& barrier,
                                        int x, int y, int z) {
  FASTWEIGHT_HOPPER(
      asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes "
                   "[%0], [%1, {%3, %4, %5}], [%2];" ::"r"(sharedAddress(shared)),
                   "l"(reinterpret_cast<uint64_t>(&map)), "r"(sharedAddress(&barrier)), "r"(x),
                   "r"(y), "r"(z) : "memory"));
}

}  // namespace fastweight::cuda
