// Random numbers. Seeds are whole numbers of at most 53 bits.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

uint64_t seedArgument(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<uint64_t>(countArgument(info, index));
}

/// randomUniform(y, count, seed, low, high)
void randomUniform(const Napi::CallbackInfo& info) {
  const int64_t count = countArgument(info, 1);
  float* y = outputFloatsArgument(info, 0, count);
  deviceOf(info).randomUniform(seedArgument(info, 2), count,
                               static_cast<float>(numberArgument(info, 3)),
                               static_cast<float>(numberArgument(info, 4)), y);
}

/// randomNormal(y, count, seed, mean, deviation)
void randomNormal(const Napi::CallbackInfo& info) {
  const int64_t count = countArgument(info, 1);
  float* y = outputFloatsArgument(info, 0, count);
  deviceOf(info).randomNormal(seedArgument(info, 2), count,
                              static_cast<float>(numberArgument(info, 3)),
                              static_cast<float>(numberArgument(info, 4)), y);
}

/// dropout(x, y, count, seed, rate)
void dropout(const Napi::CallbackInfo& info) {
  const int64_t count = countArgument(info, 2);
  const float* x = floatsArgument(info, 0, count);
  float* y = outputFloatsArgument(info, 1, count);
  const double rate = numberArgument(info, 4);
  if (!(rate >= 0 && rate < 1)) {
    check(info.Env(),
          Status::expected(Code::kRange, "a number in [0, 1)", "rate", std::to_string(rate)));
  }
  deviceOf(info).dropout(seedArgument(info, 3), count, rate, x, y);
}

}  // namespace

void registerRandomKernels(Functions& functions) {
  functions.add("randomUniform", randomUniform);
  functions.add("randomNormal", randomNormal);
  functions.add("dropout", dropout);
}

}  // namespace fastweight::binding
