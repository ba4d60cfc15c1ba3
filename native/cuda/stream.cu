#include <string>
#include <utility>

#include "cuda/stream.h"

namespace fastweight::cuda {

Stream::Stream(int index) : index_(index) {
  activate();
  record(cudaStreamCreateWithFlags(&handle_, cudaStreamNonBlocking), "making a stream");
  constexpr const char* kAsking = "asking what the GPU has";
  record(cudaDeviceGetAttribute(&multiprocessors_, cudaDevAttrMultiProcessorCount, index_),
         kAsking);
  record(cudaDeviceGetAttribute(&computeMajor_, cudaDevAttrComputeCapabilityMajor, index_),
         kAsking);
  record(cudaDeviceGetAttribute(&sharedBytes_, cudaDevAttrMaxSharedMemoryPerBlockOptin, index_),
         kAsking);
  record(cudaDeviceGetAttribute(&cacheBytes_, cudaDevAttrL2CacheSize, index_), kAsking);
  size_t unused = 0;
  record(cudaMemGetInfo(&unused, &memoryBytes_), kAsking);
}

Stream::~Stream() {
  activate();
  cudaStreamDestroy(handle_);
}

void Stream::record(Status failure) {
  if (failure_.isOk()) failure_ = std::move(failure);
}

Status Stream::takeFailure() { return std::exchange(failure_, Status::ok()); }

void Stream::recordFailure(cudaError_t error, const char* what) {
  cudaGetLastError();  // else the next call would report it once more
  record(Status(error == cudaErrorMemoryAllocation ? Code::kOutOfMemory : Code::kInternal,
                std::string("Expected ") + what + " to succeed on GPU " + std::to_string(index_) +
                    " but got " + cudaGetErrorName(error) + ": " + cudaGetErrorString(error)));
}

}  // namespace fastweight::cuda
