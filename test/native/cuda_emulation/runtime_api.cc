#include "cuda_emulation/runtime_api.h"

#include <cstdlib>
#include <cstring>
#include <ctime>
#include <map>

#include "cuda_emulation/launches.h"

struct CUevent_st {
  double seconds;
  /// Whether it was last recorded in a capture: it is a place in a graph then, not in time.
  bool isCaptured = false;
};

using cuda_emulation::enqueue;
using cuda_emulation::forbidInCapture;
using cuda_emulation::forbidWhileCapturing;

namespace {

thread_local cudaError_t lastError = cudaSuccess;
thread_local std::map<const void*, int> dynamicSharedLimits;

constexpr size_t kAlignment = 256;
constexpr size_t kDefaultSharedBytes = 48 * 1024;
size_t mostSharedBytes = 227 * 1024;
/// What the static arrays of a kernel, unknown here, may take of the default.
constexpr size_t kStaticSharedBytes = 1024;
constexpr unsigned int kMostThreads = 1024, kMostBlocksAcross = 65535;

cudaError_t note(cudaError_t error) {
  if (error != cudaSuccess) lastError = error;
  return error;
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoDevice:
      return "cudaErrorNoDevice";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorNotReady:
      return "cudaErrorNotReady";
    case cudaErrorNotSupported:
      return "cudaErrorNotSupported";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    case cudaErrorCapturedEvent:
      return "cudaErrorCapturedEvent";
  }
  return "unrecognized error code";
}

const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

cudaError_t cudaGetLastError() {
  const cudaError_t error = lastError;
  lastError = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() { return lastError; }

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  return note(device == 0 ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "CUDA emulation");
  properties->totalGlobalMem = size_t{1} << 32;
  properties->sharedMemPerBlock = kDefaultSharedBytes;
  properties->sharedMemPerBlockOptin = mostSharedBytes;
  properties->sharedMemPerMultiprocessor = mostSharedBytes + 1024;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = static_cast<int>(kMostThreads);
  properties->maxThreadsPerMultiProcessor = 2048;
  properties->regsPerBlock = 65536;
  properties->major = 9;
  properties->minor = 0;
  // Few, so that launches sized to the multiprocessors stay small here.
  properties->multiProcessorCount = 2;
  properties->l2CacheSize = 50 << 20;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp properties;
  cudaGetDeviceProperties(&properties, device);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      break;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      break;
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
  }
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = *total = size_t{1} << 32;
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() { return note(forbidWhileCapturing()); }

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  const cudaError_t forbidden = note(forbidWhileCapturing());
  if (forbidden != cudaSuccess) return forbidden;
  // One allocation an array and of its very size, so that an address sanitizer sees every overrun.
  void* block = nullptr;
  if (bytes > (size_t{1} << 40) || posix_memalign(&block, kAlignment, bytes) != 0) {
    return note(cudaErrorMemoryAllocation);
  }
  std::memset(block, 0xff, bytes);  // as floats: NaN
  *memory = block;
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  const cudaError_t forbidden = note(forbidWhileCapturing());
  if (forbidden != cudaSuccess) return forbidden;
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) { return cudaMalloc(memory, bytes); }
cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned int) {
  return cudaMalloc(memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }
cudaError_t cudaMallocAsync(void** memory, size_t bytes, cudaStream_t stream) {
  // Memory of a graph's own is not emulated.
  if (cuda_emulation::isCapturing(stream)) return note(cudaErrorNotSupported);
  return cudaMalloc(memory, bytes);
}

cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t forbidden = note(forbidWhileCapturing());
  if (forbidden != cudaSuccess) return forbidden;
  return cudaMemcpyAsync(to, from, bytes, kind);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return note(enqueue(stream, [=] {
    if (bytes > 0) std::memmove(to, from, bytes);
  }));
}

cudaError_t cudaMemset(void* memory, int value, size_t bytes) {
  const cudaError_t forbidden = note(forbidWhileCapturing());
  if (forbidden != cudaSuccess) return forbidden;
  return cudaMemsetAsync(memory, value, bytes);
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  return note(enqueue(stream, [=] {
    if (bytes > 0) std::memset(memory, value, bytes);
  }));
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = new CUstream_st();
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int) {
  return cudaStreamCreate(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return note(forbidInCapture(stream)); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return note(forbidInCapture(stream)); }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned int) { return cudaSuccess; }

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  *event = new CUevent_st{now()};
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int) {
  return cudaEventCreate(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->seconds = now();
  event->isCaptured = cuda_emulation::isCapturing(stream);
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t forbidden = note(forbidWhileCapturing());
  if (forbidden != cudaSuccess) return forbidden;
  return note(event->isCaptured ? cudaErrorCapturedEvent : cudaSuccess);
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (start->isCaptured || end->isCaptured) return note(cudaErrorCapturedEvent);
  *milliseconds = static_cast<float>(1e3 * (end->seconds - start->seconds));
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;
  if (value < 0 || static_cast<size_t>(value) > mostSharedBytes) {
    return note(cudaErrorInvalidValue);
  }
  dynamicSharedLimits[kernel] = value;
  return cudaSuccess;
}

void cuda_emulation::setMostSharedBytes(size_t bytes) { mostSharedBytes = bytes; }

cudaError_t cuda_emulation::checkLaunch(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  const auto limit = dynamicSharedLimits.find(kernel);
  const size_t shared = limit == dynamicSharedLimits.end()
                            ? kDefaultSharedBytes - kStaticSharedBytes
                            : static_cast<size_t>(limit->second);
  const bool gridFits = grid.x > 0 && grid.x < 1u << 31 && grid.y > 0 &&
                        grid.y <= kMostBlocksAcross && grid.z > 0 && grid.z <= kMostBlocksAcross;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  const bool blockFits = threads > 0 && threads <= kMostThreads && block.z <= 64;
  if (!gridFits || !blockFits) return note(cudaErrorInvalidConfiguration);
  if (config.dynamicSmemBytes > shared) return note(cudaErrorInvalidValue);
  return cudaSuccess;
}
