#include <cstdio>
#include <string>
#include <utility>

#include "cuda/cuda_device.h"
#include "cuda/product_check.h"
#include "fastweight/device_library.h"

namespace fastweight::cuda {
namespace {

/// A CUDA event in the stream.
class EventMarker final : public Marker {
 public:
  explicit EventMarker(cudaEvent_t event) : event_(event) {}
  ~EventMarker() override { cudaEventDestroy(event_); }

  Status wait() override {
    const cudaError_t error = cudaEventSynchronize(event_);
    if (error == cudaSuccess) return Status::ok();
    return Status(Code::kInternal, std::string("Expected the GPU to get to the end but got ") +
                                       cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
  }

  double millisecondsSince(const Marker& earlier) const override {
    float milliseconds = 0;
    cudaEventElapsedTime(&milliseconds, static_cast<const EventMarker&>(earlier).event_, event_);
    return milliseconds;
  }

 private:
  cudaEvent_t event_;
};

Status unavailable(const std::string& what, cudaError_t error) {
  return Status(Code::kDeviceUnavailable, "Expected " + what + " but got " +
                                              cudaGetErrorName(error) + ": " +
                                              cudaGetErrorString(error));
}

std::string versionText(int version) {
  return version == 0 ? ""
                      : std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Compute capability that the library holds code for.
constexpr int kLeastMajor = 8;

Status describe(Machine* machine) {
  int version = 0;
  if (cudaDriverGetVersion(&version) == cudaSuccess) machine->driver = versionText(version);
  if (cudaRuntimeGetVersion(&version) == cudaSuccess) machine->runtime = versionText(version);
  std::string reason;
  const CublasLt* lt = CublasLt::load(&reason);
  if (lt != nullptr) {
    const size_t number = lt->GetVersion();
    machine->matrixLibrary = std::to_string(number / 10000) + "." +
                             std::to_string(number / 100 % 100) + "." +
                             std::to_string(number % 100);
  }
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return unavailable("a GPU", error);
  bool served = false;
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp properties;
    const cudaError_t asked = cudaGetDeviceProperties(&properties, index);
    if (asked != cudaSuccess) return unavailable("a GPU that says what it is", asked);
    served = served || properties.major >= kLeastMajor;
    machine->processors.push_back(
        {properties.name, std::to_string(properties.major) + "." + std::to_string(properties.minor),
         properties.totalGlobalMem, properties.multiProcessorCount});
  }
  if (count == 0) return Status(Code::kDeviceUnavailable, "Expected a GPU but got no GPU");
  if (!served) {
    return Status::expected(Code::kDeviceUnavailable, "compute capability 8.0 or newer",
                            "a GPU (no kernel image)", machine->processors[0].computeCapability);
  }
  if (lt == nullptr) return Status(Code::kDeviceUnavailable, "Expected cuBLASLt but got " + reason);
  return Status::ok();
}

}  // namespace

CudaDevice::CudaDevice(int index)
    : stream_(index),
      memory_(stream_),
      staging_(stream_),
      products_(stream_, memory_),
      tileProducts_(stream_),
      operands_(stream_, memory_),
      graphs_(stream_, memory_) {}

Status CudaDevice::create(int index, std::unique_ptr<Device>* device) {
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess) return unavailable("a GPU", error);
  if (index < 0 || index >= count) {
    return Status::expected(Code::kDeviceUnavailable, "a GPU below " + std::to_string(count),
                            "index", std::to_string(index));
  }
  std::unique_ptr<CudaDevice> created(new CudaDevice(index));
  FASTWEIGHT_RETURN_IF_ERROR(created->products_.start());
  const Status status = created->synchronize();
  if (!status.isOk()) return Status(Code::kDeviceUnavailable, status.message());
  *device = std::move(created);
  return Status::ok();
}

void CudaDevice::copyFromHost(void* device, const void* host, size_t bytes) {
  if (graphs_.isCapturing()) {
    // A graph would read the host's memory anew each time.
    stream_.record(Status(Code::kInternal, "Expected captured work to read no host memory"));
    return;
  }
  staging_.write(device, host, bytes);
}

void CudaDevice::copyToHost(void* host, const void* device, size_t bytes) {
  staging_.read(host, device, bytes);
}

std::unique_ptr<HostRead> CudaDevice::startRead(const void* device, size_t bytes) {
  return staging_.startRead(device, bytes);
}

void CudaDevice::copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  stream_.activate();
  stream_.record(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_.handle()),
                 "copying");
}

void CudaDevice::zero(void* memory, size_t bytes) {
  if (bytes == 0) return;
  stream_.activate();
  stream_.record(cudaMemsetAsync(memory, 0, bytes, stream_.handle()), "zeroing");
}

void CudaDevice::queueReplayable(const ReplayKey& key, const std::function<void()>& work) {
  ReplayKey whole = key;
  whole.add(precision_);
  graphs_.queue(whole, work);
}

Status CudaDevice::synchronize() {
  stream_.activate();
  stream_.record(cudaStreamSynchronize(stream_.handle()), "what was queued");
  return stream_.takeFailure();
}

std::unique_ptr<Marker> CudaDevice::mark() {
  stream_.activate();
  cudaEvent_t event = nullptr;
  cudaError_t error = cudaEventCreateWithFlags(&event, cudaEventDefault);
  if (error == cudaSuccess) error = cudaEventRecord(event, stream_.handle());
  stream_.record(error, "marking a point in the queue");
  return error == cudaSuccess ? std::make_unique<EventMarker>(event) : nullptr;
}

Status CudaDevice::setMatmulPrecision(MatmulPrecision precision) {
  precision_ = precision;
  return Status::ok();
}

}  // namespace fastweight::cuda

/// See fastweight/device_library.h.
extern "C" __attribute__((visibility("default"))) const fastweight::DeviceLibrary*
fastweightDeviceLibrary() {
  static const fastweight::DeviceLibrary library = {
      fastweight::deviceLibraryStamp(), fastweight::cuda::describe,
      fastweight::cuda::CudaDevice::create, fastweight::cuda::checkTileProducts};
  return &library;
}
