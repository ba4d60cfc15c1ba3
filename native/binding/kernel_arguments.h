// Arguments and results of kernels.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "binding/environment.h"

namespace fastweight::binding {

constexpr int kLayoutNumbers = 32;

/// Argument `index` as a count of elements, 0 .. 2^53 - 1. Throws ERR_RANGE.
inline int64_t countArgument(const Napi::CallbackInfo& info, size_t index) {
  const double count = numberArgument(info, index);
  if (!(count >= 0 && count <= 9007199254740991.0)) {
    check(info.Env(), Status::expected(Code::kRange, "a count", "argument " + std::to_string(index),
                                       std::to_string(count)));
  }
  return static_cast<int64_t>(count);
}

/// The product of counts. Throws ERR_RANGE where it is no count itself.
inline int64_t productOf(const Napi::CallbackInfo& info, std::initializer_list<int64_t> counts) {
  double product = 1;
  for (const int64_t count : counts) product *= static_cast<double>(count);
  if (product > 9007199254740991.0) {
    check(info.Env(), Status::expected(Code::kRange, "fewer than 2^53 elements", "shape",
                                       std::to_string(product)));
  }
  return static_cast<int64_t>(product);
}

/// Argument `index` as a member of an enumeration of `count` members. Throws ERR_ARGUMENT.
template <typename Enumeration>
Enumeration enumArgument(const Napi::CallbackInfo& info, size_t index, int count) {
  const double code = numberArgument(info, index);
  if (!(code >= 0 && code < count)) {
    check(info.Env(), Status::expected(Code::kArgument, "a code below " + std::to_string(count),
                                       "argument " + std::to_string(index), std::to_string(code)));
  }
  return static_cast<Enumeration>(static_cast<int>(code));
}

inline ElementType typeArgument(const Napi::CallbackInfo& info, size_t index) {
  return enumArgument<ElementType>(info, index, 3);
}

inline int bytesOf(ElementType type) { return type == ElementType::kBool ? 1 : 4; }

/// The tensor whose handle is argument `index`, `count` elements of `bytes` each, to be read.
inline const void* elementsArgument(const Napi::CallbackInfo& info, size_t index, int64_t count,
                                    int bytes) {
  return inputArgument(info, index, static_cast<size_t>(count) * static_cast<size_t>(bytes));
}

/// A new tensor that a kernel writes and returns. Throws ERR_OUT_OF_MEMORY.
class Result {
 public:
  Result(const Napi::CallbackInfo& info, int64_t count, int bytesPerElement)
      : env_(info.Env()), tensors_(*Session::of(info).tensors) {
    const size_t bytes = static_cast<size_t>(count) * static_cast<size_t>(bytesPerElement);
    check(env_, tensors_.allocate(bytes, &handle_));
    check(env_, tensors_.write(handle_, bytes, &memory_));
  }
  /// Of float32 values, stored so.
  Result(const Napi::CallbackInfo& info, int64_t count, Storage storage)
      : env_(info.Env()), tensors_(*Session::of(info).tensors) {
    check(env_, tensors_.allocateStored(count, storage, &handle_));
    StoredResult values;
    check(env_, tensors_.storedResult(handle_, count, &values));
    memory_ = values.data;
  }

  void* memory() const { return memory_; }
  float* floats() const { return static_cast<float*>(memory_); }
  Napi::Value handle() const { return Napi::Number::New(env_, static_cast<double>(handle_)); }

  /// Gives the tensor back and throws `status`.
  void fail(const Status& status) const {
    check(env_, tensors_.free(handle_));
    check(env_, status);
  }

 private:
  Napi::Env env_;
  TensorTable& tensors_;
  Handle handle_ = 0;
  void* memory_ = nullptr;
};

/// What follows a product of `columns` columns: its bias is argument `index`, the slopes of a
/// parametric relu the next one, each 0 for none; `numbers` are the unary code of the activation,
/// or -1, and its parameter. Throws ERR_ARGUMENT.
Epilogue epilogueArgument(const Napi::CallbackInfo& info, size_t index, int64_t columns,
                          const double* numbers);

/// The walk that JavaScript wrote to `layout`: `rank` sizes, first strides, second strides.
/// Throws ERR_SHAPE for more axes than a walk has.
StridedPair layoutArgument(const Napi::CallbackInfo& info, size_t rankIndex);

// Families of registerTensorKernels.
void registerElementwiseKernels(Functions& functions);
void registerReduceKernels(Functions& functions);
void registerMovementKernels(Functions& functions);
void registerMatrixKernels(Functions& functions);

}  // namespace fastweight::binding
