#include "binding/device_libraries.h"

#include <cstring>
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace fastweight::binding {
namespace {

#ifdef _WIN32
void* open(const std::string& file, std::string* reason) {
  void* library = LoadLibraryA(file.c_str());
  if (library == nullptr) *reason = "error " + std::to_string(GetLastError());
  return library;
}

void* find(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
void* open(const std::string& file, std::string* reason) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) *reason = dlerror();
  return library;
}

void* find(void* library, const char* name) { return dlsym(library, name); }
#endif

Status unavailable(const std::string& file, const std::string& reason) {
  return Status::expected(Code::kDeviceUnavailable, "a device library that loads", file, reason);
}

}  // namespace

Status loadDeviceLibrary(const std::string& file, const DeviceLibrary** library) {
  if (std::strlen(deviceLibraryStamp()) == 0) {
    return unavailable(file,
                       "an addon that was not built with CMake, which alone builds libraries");
  }
  std::string reason;
  void* opened = open(file, &reason);
  if (opened == nullptr) return unavailable(file, reason);
  using Function = const DeviceLibrary* (*)();
  const auto function = reinterpret_cast<Function>(find(opened, kDeviceLibraryFunction));
  if (function == nullptr) return unavailable(file, "a file that is none");
  const DeviceLibrary* found = function();
  if (std::strcmp(found->stamp, deviceLibraryStamp()) != 0) {
    return unavailable(file, std::string("one of another build (") + found->stamp +
                                 ") than the addon's (" + deviceLibraryStamp() + ")");
  }
  *library = found;
  return Status::ok();
}

}  // namespace fastweight::binding
