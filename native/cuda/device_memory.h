// Memory of the GPU, taken and given back in the order of the stream, so that a kernel's memory is
// used again by the next kernel without waiting for either.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "cuda/block_layout.h"
#include "cuda/stream.h"

namespace fastweight::cuda {

/// A pool of the CUDA driver, and what came back, which serves the next request of its size, lowest
/// address first. So addresses depend on what is in use and not on the order in which memory came
/// back: a step that asks for the same has the same addresses, without which GraphCache would never
/// see a key again. Where much lies idle, the pool gets it to cut it anew.
class DeviceMemory {
 public:
  explicit DeviceMemory(Stream& stream);
  ~DeviceMemory();
  DeviceMemory(const DeviceMemory&) = delete;
  DeviceMemory& operator=(const DeviceMemory&) = delete;

  /// `bytes` bytes, aligned to 256; null where there are none left, even after clear().
  void* allocate(size_t bytes);
  /// Takes back what allocate(bytes) gave. Null is ignored.
  void release(void* memory, size_t bytes);
  /// Waits for the stream, then gives all that nobody uses back to the driver.
  void clear();
  /// What clear() calls before it gives memory back; null for nothing.
  void beforeClearing(std::function<void()> action) { beforeClearing_ = std::move(action); }

  /// Until endMeasuring(), also works out what the requests would take of one block.
  void startMeasuring() { measured_.emplace(); }
  /// The bytes of a block for the requests since startMeasuring(). None where memory that they
  /// asked for is still in use.
  std::optional<size_t> endMeasuring();

  /// Until endServing(), requests are served from a block of `bytes` bytes, and none goes to the
  /// pool: memory that captured work may use each time it is launched.
  void startServing(void* block, size_t bytes) {
    serving_.emplace(Block{static_cast<char*>(block), bytes, {}});
  }
  /// Whether all that was served came back.
  bool endServing();

  /// The most bytes in use at a time since the last resetPeakBytes(), as asked for.
  size_t peakBytes() const { return peak_; }
  void resetPeakBytes() { peak_ = used_; }
  /// Bytes that wait for the next request of their size.
  size_t idleBytes() const { return idleBytes_; }

 private:
  struct Block {
    char* memory;
    size_t bytes;
    BlockLayout layout;

    void* allocate(size_t wanted);
    bool holds(const void* other) const {
      return other >= memory && static_cast<const char*>(other) < memory + bytes;
    }
  };
  struct Measured {
    BlockLayout layout;
    std::map<const void*, size_t> offsets;
  };

  void* find(size_t bytes);
  void* takeIdle(size_t bytes);
  void returnIdle();
  size_t mostHeld() const;

  Stream& stream_;
  cudaMemPool_t pool_ = nullptr;
  /// What came back, by size.
  std::map<size_t, std::set<void*>> idle_;
  size_t idleBytes_ = 0;
  size_t used_ = 0, peak_ = 0, mostEver_ = 0;
  std::function<void()> beforeClearing_;
  std::optional<Measured> measured_;
  std::optional<Block> serving_;
};

/// Scratch memory of one primitive; what is queued with it may still run when it goes. Where there
/// is none left, that is the stream's failure and isNull() is true.
class Scratch {
 public:
  Scratch(Stream& stream, DeviceMemory& memory, size_t bytes)
      : memory_(memory), bytes_(bytes), data_(memory.allocate(bytes)) {
    if (data_ == nullptr) {
      stream.record(Status(Code::kOutOfMemory, "Expected room for " + std::to_string(bytes) +
                                                   " bytes of scratch memory but got none"));
    }
  }
  ~Scratch() { memory_.release(data_, bytes_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  bool isNull() const { return data_ == nullptr; }
  void* data() const { return data_; }
  float* floats() const { return static_cast<float*>(data_); }
  double* doubles() const { return static_cast<double*>(data_); }

 private:
  DeviceMemory& memory_;
  size_t bytes_;
  void* data_;
};

}  // namespace fastweight::cuda
