#include "cuda_emulation/memory_pools.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>

struct CUmemPoolHandle_st {
  /// Bytes that came back and were not trimmed away.
  size_t idle = 0;
};

namespace {

struct Block {
  size_t bytes;
  CUmemPoolHandle_st* pool;
};

std::mutex mutex;
std::map<void*, Block> blocks;
size_t limit = SIZE_MAX, inUse = 0, idle = 0;

}  // namespace

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, const cudaMemPoolProps*) {
  *pool = new CUmemPoolHandle_st();
  return cudaSuccess;
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  cudaMemPoolTrimTo(pool, 0);
  delete pool;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytesToKeep) {
  const std::lock_guard<std::mutex> lock(mutex);
  const size_t kept = std::min(pool->idle, bytesToKeep);
  idle -= pool->idle - kept;
  pool->idle = kept;
  return cudaSuccess;
}

cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  const size_t reused = pool->idle >= bytes ? bytes : 0;
  if (bytes > limit || inUse + idle - reused > limit - bytes) return cudaErrorMemoryAllocation;
  const cudaError_t error = cudaMallocAsync(memory, bytes, stream);
  if (error != cudaSuccess) return error;
  pool->idle -= reused;
  idle -= reused;
  inUse += bytes;
  blocks[*memory] = {bytes, pool};
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return cudaErrorInvalidValue;
  const Block block = found->second;
  blocks.erase(found);
  inUse -= block.bytes;
  idle += block.bytes;
  block.pool->idle += block.bytes;
  return cudaFree(memory);
}

void cuda_emulation::setPoolLimit(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  limit = bytes;
}

size_t cuda_emulation::poolBytesInUse() {
  const std::lock_guard<std::mutex> lock(mutex);
  return inUse;
}
