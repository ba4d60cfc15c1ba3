#include "fastweight/status.h"

namespace fastweight {

const char* codeName(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kShape:
      return "ERR_SHAPE";
    case Code::kDtype:
      return "ERR_DTYPE";
    case Code::kArgument:
      return "ERR_ARGUMENT";
    case Code::kProgram:
      return "ERR_PROGRAM";
    case Code::kRange:
      return "ERR_RANGE";
    case Code::kNonFinite:
      return "ERR_NON_FINITE";
    case Code::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case Code::kDisposed:
      return "ERR_DISPOSED";
    case Code::kDeviceUnavailable:
      return "ERR_DEVICE_UNAVAILABLE";
    case Code::kInternal:
      return "ERR_INTERNAL";
  }
  return "ERR_INTERNAL";
}

Status Status::expected(Code code, const std::string& expectation, const std::string& argument,
                        const std::string& got) {
  return Status(code, "Expected " + expectation + " for " + argument + " but got " + got);
}

}  // namespace fastweight
