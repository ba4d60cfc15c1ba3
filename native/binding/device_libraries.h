// Loads devices that are shared libraries of their own.
#pragma once

#include <string>

#include "fastweight/device_library.h"

namespace fastweight::binding {

/// Loads `file`, which stays loaded. ERR_DEVICE_UNAVAILABLE with the reason: the system's, or that
/// the library belongs to another build.
Status loadDeviceLibrary(const std::string& file, const DeviceLibrary** library);

}  // namespace fastweight::binding
