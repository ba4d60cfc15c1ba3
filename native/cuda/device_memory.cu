#include <algorithm>
#include <cstdint>

#include "cuda/device_memory.h"

namespace fastweight::cuda {

DeviceMemory::DeviceMemory(Stream& stream) : stream_(stream) {
  cudaMemPoolProps properties = {};
  properties.allocType = cudaMemAllocationTypePinned;
  properties.location.type = cudaMemLocationTypeDevice;
  properties.location.id = stream.index();
  stream_.activate();
  stream_.record(cudaMemPoolCreate(&pool_, &properties), "making a memory pool");
  uint64_t keepAll = UINT64_MAX;
  stream_.record(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &keepAll),
                 "setting up the memory pool");
}

DeviceMemory::~DeviceMemory() {
  stream_.activate();
  cudaStreamSynchronize(stream_.handle());
  cudaMemPoolDestroy(pool_);
}

void* DeviceMemory::allocate(size_t bytes) {
  void* memory = find(bytes);
  if (memory != nullptr) {
    used_ += bytes;
    peak_ = std::max(peak_, used_);
  }
  return memory;
}

void* DeviceMemory::find(size_t bytes) {
  stream_.activate();
  void* memory = nullptr;
  const auto take = [&] {
    return cudaMallocFromPoolAsync(&memory, std::max<size_t>(bytes, 1), pool_, stream_.handle());
  };
  if (take() == cudaSuccess) return memory;
  cudaGetLastError();
  clear();
  if (take() == cudaSuccess) return memory;
  cudaGetLastError();
  return nullptr;
}

void DeviceMemory::release(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  used_ -= bytes;
  stream_.activate();
  stream_.record(cudaFreeAsync(memory, stream_.handle()), "giving memory back");
}

void DeviceMemory::clear() {
  stream_.activate();
  stream_.record(cudaStreamSynchronize(stream_.handle()), "waiting for the GPU");
  stream_.record(cudaMemPoolTrimTo(pool_, 0), "emptying the memory pool");
}

}  // namespace fastweight::cuda
