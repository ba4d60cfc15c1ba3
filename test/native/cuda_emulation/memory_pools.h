// Memory pools as the CUDA device uses them. What is freed stays in its pool until that is trimmed
// and serves the next request of its size, so that the same requests and returns give the same
// addresses. All pools together hold no more than a limit that tests set.
#pragma once

#include <cstddef>

#include "cuda_emulation/runtime_api.h"

enum cudaMemAllocationType { cudaMemAllocationTypePinned = 1 };
enum cudaMemLocationType { cudaMemLocationTypeDevice = 1 };
enum cudaMemPoolAttr { cudaMemPoolAttrReleaseThreshold = 4 };
struct cudaMemLocation {
  cudaMemLocationType type;
  int id;
};
struct cudaMemPoolProps {
  cudaMemAllocationType allocType;
  cudaMemLocation location;
};

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps* properties);
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool);
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void* value);
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytesToKeep);
cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream);

namespace cuda_emulation {

/// Bytes that pools may hold from now on, those that nobody uses included.
void setPoolLimit(size_t bytes);
/// Bytes of pools' memory in use.
size_t poolBytesInUse();
/// What came from a pool is not to be used until endsIdle(), and counts as what lies in the pool.
void becomesIdle(void* memory);
/// It may be used again; nothing of what it held is left.
void endsIdle(void* memory);

}  // namespace cuda_emulation
