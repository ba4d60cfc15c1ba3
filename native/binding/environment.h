// What one JavaScript environment (the main thread, or a worker) holds of the native side, and the
// few helpers with which every binding reads its arguments and adds its functions.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "fastweight/tensor_table.h"

namespace fastweight::binding {

/// An open device with its tensors: what the functions of one openDevice() work on.
struct Session {
  std::unique_ptr<Device> device;
  std::unique_ptr<TensorTable> tensors;

  /// Numbers that JavaScript writes before a call whose arguments are many or of varying count
  /// (the property `layout`), and the reference that keeps them alive.
  double* layout = nullptr;
  Napi::Reference<Napi::Float64Array> layoutReference;

  /// That of the function which is being called.
  static Session& of(const Napi::CallbackInfo& info) { return *static_cast<Session*>(info.Data()); }
};

struct Environment {
  std::vector<std::unique_ptr<Session>> sessions;
  Napi::FunctionReference errorClass;  // FastWeightError, given to initialize()

  static Environment& of(Napi::Env env);
};

/// The object that openDevice() returns, while it gets its functions.
class Functions {
 public:
  Functions(Napi::Env env, Session& session) : session_(session), object_(Napi::Object::New(env)) {}

  Napi::Env env() const { return object_.Env(); }
  Session& session() const { return session_; }
  Napi::Object object() const { return object_; }

  void set(const char* name, const Napi::Value& value) { object_.Set(name, value); }
  template <typename Callback>
  void add(const char* name, Callback callback) {
    object_.Set(name, Napi::Function::New(env(), callback, name, &session_));
  }

 private:
  Session& session_;
  Napi::Object object_;
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

// Each adds one family's functions to those of a device.
void registerDevice(Functions& functions);
void registerTensors(Functions& functions);
void registerTensorKernels(Functions& functions);
void registerSequenceKernels(Functions& functions);
void registerFastWeights(Functions& functions);
void registerOptimizerKernels(Functions& functions);
void registerRandomKernels(Functions& functions);
void registerConvolutionKernels(Functions& functions);

// Each adds functions that hold for the whole process to the addon's exports.
void registerCpu(Napi::Env env, Napi::Object exports);
void registerDevices(Napi::Env env, Napi::Object exports);

}  // namespace fastweight::binding
