#include "fastweight/tensor_kernels.h"

#include "binding/kernel_arguments.h"

namespace fastweight::binding {

StridedPair layoutArgument(const Napi::CallbackInfo& info, size_t rankIndex) {
  const int64_t rank = countArgument(info, rankIndex);
  if (rank > StridedPair::kMaxRank) {
    check(info.Env(),
          Status::expected(Code::kShape, "at most 8 axes", "layout", std::to_string(rank)));
  }
  const double* numbers = Session::of(info).layout;
  StridedPair layout;
  layout.rank = static_cast<int>(rank);
  for (int axis = 0; axis < layout.rank; ++axis) {
    layout.sizes[axis] = static_cast<int64_t>(numbers[axis]);
    layout.firstStrides[axis] = static_cast<int64_t>(numbers[rank + axis]);
    layout.secondStrides[axis] = static_cast<int64_t>(numbers[2 * rank + axis]);
  }
  return layout;
}

Epilogue epilogueArgument(const Napi::CallbackInfo& info, size_t index, int64_t columns,
                          const double* numbers) {
  const double code = numbers[0];
  if (!(code >= -1 && code < static_cast<int>(UnaryOp::kCount))) {
    check(info.Env(), Status::expected(Code::kArgument, "the code of a unary kernel or -1",
                                       "an activation", std::to_string(code)));
  }
  Epilogue epilogue;
  epilogue.bias = optionalFloatsArgument(info, index, columns);
  if (code >= 0) epilogue.activation = static_cast<UnaryOp>(static_cast<int>(code));
  epilogue.p = static_cast<float>(numbers[1]);
  epilogue.slopes = optionalFloatsArgument(info, index + 1, columns);
  return epilogue;
}

void registerTensorKernels(Functions& functions) {
  Napi::Float64Array layout = Napi::Float64Array::New(functions.env(), kLayoutNumbers);
  functions.session().layout = layout.Data();
  functions.session().layoutReference = Napi::Persistent(layout);
  functions.set("layout", layout);
  registerElementwiseKernels(functions);
  registerReduceKernels(functions);
  registerMovementKernels(functions);
  registerMatrixKernels(functions);
}

}  // namespace fastweight::binding
