// Copies from global to shared memory that run while the thread goes on (cp.async).
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace fastweight::cuda {

/// Starts to copy 16 bytes, both sides on 16-byte boundaries, or to fill in zeros where not `valid`
/// (`from` is not read then).
__device__ __forceinline__ void copyAsync(void* shared, const void* from, bool valid) {
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  const int bytes = valid ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(to), "l"(from), "r"(bytes)
               : "memory");
}

/// Ends a group of the thread's copies.
__device__ __forceinline__ void endCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

/// Waits for all of the thread's groups but the last `later`.
template <int later>
__device__ __forceinline__ void waitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(later) : "memory");
}

}  // namespace fastweight::cuda
