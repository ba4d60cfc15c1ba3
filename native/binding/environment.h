// What one JavaScript environment (the main thread, or a worker) holds of the native side, and the
// few helpers with which every binding reads its arguments.
#pragma once

#include <napi.h>

#include <memory>

#include "fastweight/tensor_table.h"

namespace fastweight::binding {

struct Environment {
  std::unique_ptr<Device> device;
  std::unique_ptr<TensorTable> tensors;
  Napi::FunctionReference errorClass;  // FastWeightError, given to initialize()

  /// Numbers that JavaScript writes before a call whose arguments are many or of varying count
  /// (exports.layout), and the reference that keeps them alive.
  double* layout = nullptr;
  Napi::Reference<Napi::Float64Array> layoutReference;

  static Environment& of(Napi::Env env);
};

/// Throws a failed status to JavaScript as a FastWeightError.
void check(Napi::Env env, const Status& status);

/// Argument `index` as a number. Throws ERR_ARGUMENT for anything else.
double numberArgument(const Napi::CallbackInfo& info, size_t index);
int64_t integerArgument(const Napi::CallbackInfo& info, size_t index);
bool booleanArgument(const Napi::CallbackInfo& info, size_t index);

/// The memory of the tensor whose handle is argument `index`, holding at least `count` elements.
/// Throws ERR_DISPOSED or ERR_SHAPE.
void* memoryArgument(const Napi::CallbackInfo& info, size_t index, size_t bytes);
inline float* floatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return static_cast<float*>(
      memoryArgument(info, index, static_cast<size_t>(count) * sizeof(float)));
}
inline int32_t* intsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return static_cast<int32_t*>(
      memoryArgument(info, index, static_cast<size_t>(count) * sizeof(int32_t)));
}
/// As floatsArgument, but null for a handle of 0, which stands for an absent tensor.
float* optionalFloatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);

// Each adds one family's functions to the addon's exports.
void registerTensors(Napi::Env env, Napi::Object exports);
void registerTensorKernels(Napi::Env env, Napi::Object exports);
void registerSequenceKernels(Napi::Env env, Napi::Object exports);
void registerFastWeights(Napi::Env env, Napi::Object exports);
void registerCpu(Napi::Env env, Napi::Object exports);
void registerOptimizerKernels(Napi::Env env, Napi::Object exports);
void registerRandomKernels(Napi::Env env, Napi::Object exports);
void registerConvolutionKernels(Napi::Env env, Napi::Object exports);

}  // namespace fastweight::binding
