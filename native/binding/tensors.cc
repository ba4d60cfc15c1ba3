// Tensor storage: allocate, free, write, read, sizes.
#include <string>

#include "binding/kernel_arguments.h"
#include "binding/read_later.h"

namespace fastweight::binding {
namespace {

/// allocate(bytes) -> handle
Napi::Value allocate(const Napi::CallbackInfo& info) {
  const double bytes = numberArgument(info, 0);
  if (!(bytes >= 0 && bytes <= 9007199254740991.0)) {
    check(info.Env(),
          Status::expected(Code::kRange, "a count of bytes", "bytes", std::to_string(bytes)));
  }
  Handle handle = 0;
  check(info.Env(), Session::of(info).tensors->allocate(static_cast<size_t>(bytes), &handle));
  return Napi::Number::New(info.Env(), static_cast<double>(handle));
}

/// free(handle)
void freeTensor(const Napi::CallbackInfo& info) {
  check(info.Env(), Session::of(info).tensors->free(integerArgument(info, 0)));
}

Napi::TypedArray typedArrayArgument(const Napi::CallbackInfo& info, size_t index) {
  if (index >= info.Length() || !info[index].IsTypedArray()) {
    check(info.Env(), Status::expected(Code::kArgument, "a typed array",
                                       "argument " + std::to_string(index), "something else"));
  }
  return info[index].As<Napi::TypedArray>();
}

/// write(handle, typedArray): the tensor's first bytes become the array's.
void write(const Napi::CallbackInfo& info) {
  const Napi::TypedArray array = typedArrayArgument(info, 1);
  void* memory = outputArgument(info, 0, array.ByteLength());
  const auto* host = static_cast<const uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  Session::of(info).device->copyFromHost(memory, host, array.ByteLength());
}

/// read(handle, typedArray): fills the array from the tensor's first bytes. Throws the first
/// failure of what was queued before.
void read(const Napi::CallbackInfo& info) {
  const Napi::TypedArray array = typedArrayArgument(info, 1);
  const void* memory = inputArgument(info, 0, array.ByteLength());
  auto* host = static_cast<uint8_t*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  Device& device = *Session::of(info).device;
  device.copyToHost(host, memory, array.ByteLength());
  check(info.Env(), device.synchronize());
}

/// A new tensor of `count` values, stored as bfloat16.
Handle newBfloat16(const Napi::CallbackInfo& info, int64_t count) {
  Session& session = Session::of(info);
  if (!session.device->storesBfloat16()) {
    check(info.Env(),
          Status::expected(Code::kArgument, "float32", "storage on this device", "bfloat16"));
  }
  Handle handle = 0;
  check(info.Env(), session.tensors->allocateStored(count, Storage::kBfloat16, &handle));
  return handle;
}

/// allocateBfloat16(count) -> handle. Throws ERR_ARGUMENT where the device stores float32 alone.
Napi::Value allocateBfloat16(const Napi::CallbackInfo& info) {
  const Handle handle = newBfloat16(info, countArgument(info, 0));
  return Napi::Number::New(info.Env(), static_cast<double>(handle));
}

/// storeBfloat16(x, count) -> the values of x, rounded to bfloat16 and stored so. Throws as
/// allocateBfloat16().
Napi::Value storeBfloat16(const Napi::CallbackInfo& info) {
  const int64_t count = countArgument(info, 1);
  const float* x = floatsArgument(info, 0, count);
  const Handle handle = newBfloat16(info, count);
  StoredResult y;
  check(info.Env(), Session::of(info).tensors->storedResult(handle, count, &y));
  Session::of(info).device->roundToBfloat16(count, x, y.data);
  return Napi::Number::New(info.Env(), static_cast<double>(handle));
}

/// isBfloat16(handle) -> whether the tensor is stored so
Napi::Value isBfloat16(const Napi::CallbackInfo& info) {
  StoredFloats values;
  check(info.Env(), Session::of(info).tensors->stored(integerArgument(info, 0), 0, &values));
  return Napi::Boolean::New(info.Env(), values.storage == Storage::kBfloat16);
}

/// memory() -> { tensors, bytes, peakBytes }
Napi::Value memory(const Napi::CallbackInfo& info) {
  const TensorTable& tensors = *Session::of(info).tensors;
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("tensors", Napi::Number::New(info.Env(), static_cast<double>(tensors.count())));
  result.Set("bytes", Napi::Number::New(info.Env(), static_cast<double>(tensors.bytes())));
  result.Set(
      "peakBytes",
      Napi::Number::New(info.Env(), static_cast<double>(Session::of(info).device->peakBytes())));
  return result;
}

/// resetPeakBytes(): memory().peakBytes counts from now on.
void resetPeakBytes(const Napi::CallbackInfo& info) { Session::of(info).device->resetPeakBytes(); }

}  // namespace

void registerTensors(Functions& functions) {
  functions.add("allocate", allocate);
  functions.add("free", freeTensor);
  functions.add("write", write);
  functions.add("read", read);
  functions.add("readLater", readLater);
  functions.set("storesBfloat16",
                Napi::Boolean::New(functions.env(), functions.session().device->storesBfloat16()));
  functions.add("allocateBfloat16", allocateBfloat16);
  functions.add("storeBfloat16", storeBfloat16);
  functions.add("isBfloat16", isBfloat16);
  functions.add("resetPeakBytes", resetPeakBytes);
  functions.add("memory", memory);
}

}  // namespace fastweight::binding
