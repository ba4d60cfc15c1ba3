// Scratch memory of one call into the core.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastweight/device.h"

namespace fastweight {

/// One device allocation for a call, freed with it, handed out front to back.
class Workspace {
 public:
  Workspace(Device& device, int64_t floats)
      : device_(device),
        bytes_(static_cast<size_t>(floats) * sizeof(float)),
        memory_(static_cast<float*>(device.allocate(bytes_))),
        next_(memory_) {}
  ~Workspace() { device_.release(memory_, bytes_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  bool isNull() const { return memory_ == nullptr; }
  const float* start() const { return memory_; }
  float* take(int64_t floats) {
    float* start = next_;
    next_ += aligned(floats);
    return start;
  }
  /// Room that take(floats) uses.
  static int64_t aligned(int64_t floats) { return (floats + 15) / 16 * 16; }

 private:
  Device& device_;
  size_t bytes_;
  float* memory_;
  float* next_;
};

}  // namespace fastweight
