#include <algorithm>
#include <cstdint>

#include "cuda/device_memory.h"
#include "cuda/idle_memory.h"

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
  returnIdle();
  cudaStreamSynchronize(stream_.handle());
  cudaMemPoolDestroy(pool_);
}

void* DeviceMemory::allocate(size_t bytes) {
  if (serving_) return serving_->allocate(bytes);
  void* memory = find(bytes);
  if (memory != nullptr) {
    used_ += bytes;
    peak_ = std::max(peak_, used_);
    mostEver_ = std::max(mostEver_, used_);
    if (measured_) measured_->offsets[memory] = measured_->layout.take(bytes);
  }
  return memory;
}

void* DeviceMemory::Block::allocate(size_t wanted) {
  const size_t offset = layout.take(wanted);
  if (layout.extent() <= bytes) return memory + offset;
  layout.giveBack(offset);
  return nullptr;
}

void* DeviceMemory::find(size_t bytes) {
  if (void* memory = takeIdle(bytes)) return memory;
  if (used_ + idleBytes_ + bytes > mostHeld()) returnIdle();
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
  if (serving_ && serving_->holds(memory)) {
    serving_->layout.giveBack(static_cast<size_t>(static_cast<char*>(memory) - serving_->memory));
    return;
  }
  if (measured_) {
    const auto found = measured_->offsets.find(memory);
    if (found != measured_->offsets.end()) {
      measured_->layout.giveBack(found->second);
      measured_->offsets.erase(found);
    }
  }
  used_ -= bytes;
  idle_[bytes].insert(memory);
  idleBytes_ += bytes;
  becomesIdle(memory, bytes);
}

/// Steps of one kind leave less than twice what they use; sizes that never come again leave more.
size_t DeviceMemory::mostHeld() const {
  constexpr size_t kSpare = size_t{64} << 20;
  return std::min(stream_.memoryBytes() / 10 * 8, 2 * mostEver_ + kSpare);
}

void* DeviceMemory::takeIdle(size_t bytes) {
  const auto found = idle_.find(bytes);
  if (found == idle_.end()) return nullptr;
  void* memory = *found->second.begin();
  found->second.erase(found->second.begin());
  if (found->second.empty()) idle_.erase(found);
  idleBytes_ -= bytes;
  endsIdle(memory, bytes);
  return memory;
}

void DeviceMemory::returnIdle() {
  stream_.activate();
  for (const auto& [bytes, blocks] : idle_) {
    for (void* memory : blocks) {
      stream_.record(cudaFreeAsync(memory, stream_.handle()), "giving memory back");
    }
  }
  idle_.clear();
  idleBytes_ = 0;
}

void DeviceMemory::clear() {
  if (beforeClearing_) beforeClearing_();
  returnIdle();
  stream_.record(cudaStreamSynchronize(stream_.handle()), "waiting for the GPU");
  stream_.record(cudaMemPoolTrimTo(pool_, 0), "emptying the memory pool");
}

std::optional<size_t> DeviceMemory::endMeasuring() {
  const Measured measured = *std::move(measured_);
  measured_.reset();
  if (!measured.layout.isEmpty()) return std::nullopt;
  return measured.layout.extent();
}

bool DeviceMemory::endServing() {
  const bool cameBack = serving_->layout.isEmpty();
  serving_.reset();
  return cameBack;
}

}  // namespace fastweight::cuda
