// The queue that a device's work goes through, in order, and the first failure in it.
#pragma once

#include <cuda_runtime_api.h>

#include "fastweight/status.h"

namespace fastweight::cuda {

/// One CUDA stream of one GPU. Belongs to one thread.
class Stream {
 public:
  /// On GPU `index`; what fails is the first failure.
  explicit Stream(int index);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  int index() const { return index_; }
  cudaStream_t handle() const { return handle_; }
  /// Multiprocessors of the GPU, by which launches are sized.
  int multiprocessors() const { return multiprocessors_; }
  /// The first number of the GPU's compute capability.
  int computeMajor() const { return computeMajor_; }
  /// The most shared memory that a block may ask for.
  int64_t sharedBytes() const { return sharedBytes_; }
  /// Bytes of the GPU's last cache level, and of its memory.
  int64_t cacheBytes() const { return cacheBytes_; }
  size_t memoryBytes() const { return memoryBytes_; }

  /// Makes the stream's GPU that of the calling thread; before every call of the runtime.
  void activate() { record(cudaSetDevice(index_), "choosing the GPU"); }

  /// Keeps the first failure until takeFailure(). `what` was being done; it names the kernel.
  void record(cudaError_t error, const char* what) {
    if (error != cudaSuccess) recordFailure(error, what);
  }
  void record(Status failure);
  /// The first failure since the last call, which is forgotten.
  Status takeFailure();

 private:
  void recordFailure(cudaError_t error, const char* what);

  int index_;
  int multiprocessors_ = 1, computeMajor_ = 0, sharedBytes_ = 0, cacheBytes_ = 0;
  size_t memoryBytes_ = 0;
  cudaStream_t handle_ = nullptr;
  Status failure_;
};

}  // namespace fastweight::cuda
