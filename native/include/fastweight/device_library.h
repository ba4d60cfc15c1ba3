// What a device that is a shared library of its own gives to the addon that loads it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "fastweight/device.h"

namespace fastweight {

/// One processor that a library can open a device on.
struct Processor {
  std::string name;
  /// Such as "9.0".
  std::string computeCapability;
  size_t memoryBytes = 0;
  int multiprocessors = 0;
};

struct Machine {
  std::vector<Processor> processors;
  /// Versions such as "13.0"; empty where there is none.
  std::string driver, runtime, matrixLibrary;
};

struct DeviceLibrary {
  /// What the library was made from: the version, the headers of include/ and the compiler. Classes
  /// cross the boundary, so nothing else may be read where this differs from deviceLibraryStamp().
  const char* stamp;
  /// ERR_DEVICE_UNAVAILABLE with the reason; `machine` holds what was found even then.
  Status (*describe)(Machine* machine);
  /// The device on processor `index`. ERR_DEVICE_UNAVAILABLE with the reason.
  Status (*create)(int index, std::unique_ptr<Device>* device);
  /// Whether kernels of ours that the library could do without are right on processor `index`.
  /// ERR_INTERNAL with what differs.
  Status (*checkProducts)(int index);
};

/// The name of a library's one function, `extern "C" const DeviceLibrary*
/// fastweightDeviceLibrary()`.
constexpr const char* kDeviceLibraryFunction = "fastweightDeviceLibrary";

/// The stamp of this build; "" where it was not built to load libraries.
inline const char* deviceLibraryStamp() {
#ifdef FASTWEIGHT_STAMP
  return FASTWEIGHT_STAMP;
#else
  return "";
#endif
}

}  // namespace fastweight
