// Pinned host memory between JavaScript's memory and the GPU's: the GPU copies from and to it at
// full speed while the CPU goes on.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/stream.h"
#include "fastweight/device.h"

namespace fastweight::cuda {

/// Pinned buffers that are used again. Buffers may come back from any thread.
class PinnedMemory {
 public:
  explicit PinnedMemory(int index) : index_(index) {}
  ~PinnedMemory();
  PinnedMemory(const PinnedMemory&) = delete;
  PinnedMemory& operator=(const PinnedMemory&) = delete;

  /// Null where there is none left.
  void* allocate(size_t bytes);
  void release(void* memory, size_t bytes);

 private:
  static size_t classOf(size_t bytes);

  int index_;
  std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
};

/// Copies between pageable host memory and the stream's GPU, through pinned buffers in turn.
class HostStaging {
 public:
  explicit HostStaging(Stream& stream);
  ~HostStaging();
  HostStaging(const HostStaging&) = delete;
  HostStaging& operator=(const HostStaging&) = delete;

  /// Returns once `host` was read; the GPU's copy may still be queued.
  void write(void* device, const void* host, size_t bytes);
  /// Waits for what is queued and for the copy.
  void read(void* host, const void* device, size_t bytes);
  /// Queues a copy to pinned memory. Null where there is no pinned memory.
  std::unique_ptr<HostRead> startRead(const void* device, size_t bytes);

 private:
  static constexpr size_t kPieceBytes = size_t{4} << 20;
  static constexpr int kPieces = 2;

  /// A pinned buffer and the event after the copy that used it last.
  struct Piece {
    void* memory = nullptr;
    cudaEvent_t done = nullptr;
  };
  /// Makes the pieces at first use; false where there is no pinned memory.
  bool prepare();

  Stream& stream_;
  std::shared_ptr<PinnedMemory> pinned_;
  Piece pieces_[kPieces];
};

}  // namespace fastweight::cuda
