#include "cuda_emulation/memory_pools.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "cuda_emulation/graphs.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, bytes) static_cast<void>(memory)
#define ASAN_UNPOISON_MEMORY_REGION(memory, bytes) static_cast<void>(memory)
#endif

struct CUmemPoolHandle_st {
  /// What came back and was not trimmed away, by size.
  std::map<size_t, std::vector<void*>> idle;
};

namespace {

struct Block {
  size_t bytes;
  CUmemPoolHandle_st* pool;
  bool isIdle = false;
};

std::mutex mutex;
std::map<void*, Block> blocks;
size_t limit = SIZE_MAX, inUse = 0, idle = 0;

/// An idle block of the pool's, of exactly `bytes` bytes; null where there is none.
void* takeIdle(cudaMemPool_t pool, size_t bytes) {
  const auto found = pool->idle.find(bytes);
  if (found == pool->idle.end() || found->second.empty()) return nullptr;
  void* memory = found->second.back();
  found->second.pop_back();
  idle -= bytes;
  ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
  std::memset(memory, 0xff, bytes);  // as new memory: NaN
  return memory;
}

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

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t) {
  const cudaError_t error = cuda_emulation::forbidWhileCapturing();
  if (error != cudaSuccess) return error;
  const std::lock_guard<std::mutex> lock(mutex);
  for (const auto& [bytes, each] : pool->idle) {
    for (void* memory : each) {
      ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
      cudaFree(memory);
      idle -= bytes;
    }
  }
  pool->idle.clear();
  return cudaSuccess;
}

cudaError_t cudaMallocFromPoolAsync(void** memory, size_t bytes, cudaMemPool_t pool,
                                    cudaStream_t stream) {
  // Memory of a graph's own is not emulated.
  if (cuda_emulation::isCapturing(stream)) return cudaErrorNotSupported;
  const std::lock_guard<std::mutex> lock(mutex);
  // A limit below what is held already leaves nothing, not even what lies idle.
  if (inUse + idle > limit) return cudaErrorMemoryAllocation;
  void* found = takeIdle(pool, bytes);
  if (found == nullptr) {
    if (bytes > limit - inUse - idle) return cudaErrorMemoryAllocation;
    const cudaError_t error = cudaMallocAsync(&found, bytes, stream);
    if (error != cudaSuccess) return error;
  }
  inUse += bytes;
  blocks[found] = {bytes, pool, false};
  *memory = found;
  return cudaSuccess;
}

cudaError_t cudaFreeAsync(void* memory, cudaStream_t stream) {
  if (cuda_emulation::isCapturing(stream)) return cudaErrorNotSupported;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = blocks.find(memory);
  if (found == blocks.end()) return cudaErrorInvalidValue;
  const Block block = found->second;
  blocks.erase(found);
  if (!block.isIdle) {
    inUse -= block.bytes;
    idle += block.bytes;
  }
  block.pool->idle[block.bytes].push_back(memory);
  ASAN_POISON_MEMORY_REGION(memory, block.bytes);
  return cudaSuccess;
}

void cuda_emulation::becomesIdle(void* memory) {
  const std::lock_guard<std::mutex> lock(mutex);
  Block& block = blocks.at(memory);
  block.isIdle = true;
  inUse -= block.bytes;
  idle += block.bytes;
  ASAN_POISON_MEMORY_REGION(memory, block.bytes);
}

void cuda_emulation::endsIdle(void* memory) {
  const std::lock_guard<std::mutex> lock(mutex);
  Block& block = blocks.at(memory);
  block.isIdle = false;
  inUse += block.bytes;
  idle -= block.bytes;
  ASAN_UNPOISON_MEMORY_REGION(memory, block.bytes);
  std::memset(memory, 0xff, block.bytes);
}

void cuda_emulation::setPoolLimit(size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex);
  limit = bytes;
}

size_t cuda_emulation::poolBytesInUse() {
  const std::lock_guard<std::mutex> lock(mutex);
  return inUse;
}
