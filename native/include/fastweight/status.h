// Outcome of a call into the core. The core throws nothing; the binding turns a failed status into
// a FastWeightError with the same code.
#pragma once

#include <string>
#include <utility>

namespace fastweight {

enum class Code {
  kOk,
  kShape,
  kDtype,
  kArgument,
  kProgram,
  kRange,
  kNonFinite,
  kOutOfMemory,
  kDisposed,
  kDeviceUnavailable,
  kInternal,
};

/// The stable name a caller sees, such as "ERR_SHAPE".
const char* codeName(Code code);

class Status {
 public:
  Status() = default;
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status ok() { return Status(); }
  /// "Expected `expectation` for `argument` but got `got`".
  static Status expected(Code code, const std::string& expectation, const std::string& argument,
                         const std::string& got);

  bool isOk() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

}  // namespace fastweight

/// Returns from the enclosing function when `expression` is a failed status.
#define FASTWEIGHT_RETURN_IF_ERROR(expression)          \
  do {                                                  \
    ::fastweight::Status status_of_call = (expression); \
    if (!status_of_call.isOk()) return status_of_call;  \
  } while (false)
