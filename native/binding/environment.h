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
    const auto call = [callback](const Napi::CallbackInfo& info) {
      const CallCopies copies(*Session::of(info).tensors);
      return callback(info);
    };
    object_.Set(name, Napi::Function::New(env(), call, name, &session_));
  }

 private:
  /// The float32 copies that a call's arguments took last as long as the call.
  class CallCopies {
   public:
    explicit CallCopies(TensorTable& tensors) : tensors_(tensors) {}
    ~CallCopies() { tensors_.releaseCopies(); }
    CallCopies(const CallCopies&) = delete;
    CallCopies& operator=(const CallCopies&) = delete;

   private:
    TensorTable& tensors_;
  };

  Session& session_;
  Napi::Object object_;
};

/// Throws a failed status to JavaScript as a FastWeightError.
void check(Napi::Env env, const Status& status);

/// Argument `index` as a number. Throws ERR_ARGUMENT for anything else.
double numberArgument(const Napi::CallbackInfo& info, size_t index);
int64_t integerArgument(const Napi::CallbackInfo& info, size_t index);
bool booleanArgument(const Napi::CallbackInfo& info, size_t index);

/// The values of the tensor whose handle is argument `index`, at least `bytes` bytes, for a kernel
/// to read. Throws ERR_DISPOSED, ERR_SHAPE or ERR_OUT_OF_MEMORY.
const void* inputArgument(const Napi::CallbackInfo& info, size_t index, size_t bytes);
inline const float* floatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return static_cast<const float*>(
      inputArgument(info, index, static_cast<size_t>(count) * sizeof(float)));
}
inline const int32_t* intsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return static_cast<const int32_t*>(
      inputArgument(info, index, static_cast<size_t>(count) * sizeof(int32_t)));
}

/// At least `count` float32 values of the tensor, as they are stored. Throws ERR_DISPOSED,
/// ERR_SHAPE.
StoredFloats storedArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);
/// The same for a kernel to write: what the tensor is stored as stays.
StoredResult storedResultArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);
/// As storedArgument() where products read it so, else float32; also throws ERR_OUT_OF_MEMORY.
StoredFloats operandArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);

/// As inputArgument(), for a kernel to write.
void* outputArgument(const Napi::CallbackInfo& info, size_t index, size_t bytes);
inline float* outputFloatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count) {
  return static_cast<float*>(
      outputArgument(info, index, static_cast<size_t>(count) * sizeof(float)));
}

/// As floatsArgument() and outputFloatsArgument(), but null for a handle of 0, which stands for an
/// absent tensor.
const float* optionalFloatsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);
float* optionalOutputArgument(const Napi::CallbackInfo& info, size_t index, int64_t count);

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
