#include "cpu/cpu_device.h"

#include <chrono>
#include <cstring>
#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace fastweight {
namespace cpu {
namespace {

/// Bytes of main memory in this machine.
size_t physicalMemory() {
#ifdef _WIN32
  MEMORYSTATUSEX status;
  status.dwLength = sizeof status;
  return GlobalMemoryStatusEx(&status) ? static_cast<size_t>(status.ullTotalPhys) : 0;
#else
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGE_SIZE));
#endif
}

/// The CPU runs each primitive before it returns, so a point of its queue is a point in time.
class TimeMarker final : public Marker {
 public:
  Status wait() override { return Status::ok(); }
  double millisecondsSince(const Marker& earlier) const override {
    const auto& other = static_cast<const TimeMarker&>(earlier);
    return std::chrono::duration<double, std::milli>(time_ - other.time_).count();
  }

 private:
  std::chrono::steady_clock::time_point time_ = std::chrono::steady_clock::now();
};

}  // namespace

CpuDevice::CpuDevice() : buffers_(physicalMemory() / 8) {}

void* CpuDevice::allocate(size_t bytes) { return buffers_.allocate(bytes); }

void CpuDevice::release(void* memory, size_t bytes) { buffers_.release(memory, bytes); }

void CpuDevice::copyFromHost(void* device, const void* host, size_t bytes) {
  copy(device, host, bytes);
}

void CpuDevice::copyToHost(void* host, const void* device, size_t bytes) {
  copy(host, device, bytes);
}

void CpuDevice::copy(void* to, const void* from, size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

std::unique_ptr<Marker> CpuDevice::mark() { return std::make_unique<TimeMarker>(); }

Status CpuDevice::setMatmulPrecision(MatmulPrecision precision) {
  if (precision == MatmulPrecision::kFloat32) return Status::ok();
  return Status::expected(Code::kArgument, "float32", "the matmul precision of device cpu",
                          "a reduced one");
}

size_t CpuDevice::keptBytesLimit() const {
  static const size_t limit = physicalMemory() / 32;
  return limit;
}

void CpuDevice::zero(void* memory, size_t bytes) {
  if (bytes > 0) std::memset(memory, 0, bytes);
}

}  // namespace cpu

std::unique_ptr<Device> createCpuDevice() { return std::make_unique<cpu::CpuDevice>(); }

}  // namespace fastweight
