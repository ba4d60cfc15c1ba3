// Reductions: each returns the handle of a new tensor.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

struct Sizes {
  int64_t outer, middle, inner, all;
};

/// Three arguments [outer, middle, inner], from `index` on.
Sizes sizesArgument(const Napi::CallbackInfo& info, size_t index) {
  const int64_t outer = countArgument(info, index), middle = countArgument(info, index + 1),
                inner = countArgument(info, index + 2);
  return {outer, middle, inner, productOf(info, {outer, middle, inner})};
}

/// reduce(code, type, x, outer, reduced, inner) -> y [outer, inner]
Napi::Value reduce(const Napi::CallbackInfo& info) {
  const auto op = enumArgument<ReduceOp>(info, 0, static_cast<int>(ReduceOp::kCount));
  const ElementType type = typeArgument(info, 1);
  const Sizes sizes = sizesArgument(info, 3);
  const void* x = elementsArgument(info, 2, sizes.all, bytesOf(type));
  const int outBytes = op == ReduceOp::kSum ? 4 : bytesOf(type);
  const Result y(info, productOf(info, {sizes.outer, sizes.inner}), outBytes);
  if (!deviceOf(info).reduce(op, type, sizes.outer, sizes.middle, sizes.inner, x, y.memory())) {
    y.fail(Status::expected(Code::kDtype, "a dtype that it has", "a reduction", "another"));
  }
  return y.handle();
}

/// argReduce(largest, x, outer, reduced, inner) -> y [outer, inner], int32
Napi::Value argReduce(const Napi::CallbackInfo& info) {
  const bool largest = booleanArgument(info, 0);
  const Sizes sizes = sizesArgument(info, 2);
  const float* x = floatsArgument(info, 1, sizes.all);
  const Result y(info, productOf(info, {sizes.outer, sizes.inner}), 4);
  deviceOf(info).argReduce(largest, sizes.outer, sizes.middle, sizes.inner, x,
                           static_cast<int32_t*>(y.memory()));
  return y.handle();
}

/// softmax(x, rows, columns) -> y
Napi::Value softmax(const Napi::CallbackInfo& info) {
  const int64_t rows = countArgument(info, 1), columns = countArgument(info, 2);
  const int64_t count = productOf(info, {rows, columns});
  const float* x = floatsArgument(info, 0, count);
  const Result y(info, count, 4);
  deviceOf(info).softmax(rows, columns, x, y.floats());
  return y.handle();
}

/// cumulative(product, exclusive, reverse, x, outer, size, inner) -> y
Napi::Value cumulative(const Napi::CallbackInfo& info) {
  const Sizes sizes = sizesArgument(info, 4);
  const float* x = floatsArgument(info, 3, sizes.all);
  const bool product = booleanArgument(info, 0), exclusive = booleanArgument(info, 1),
             reverse = booleanArgument(info, 2);
  const Result y(info, sizes.all, 4);
  deviceOf(info).cumulative(product, exclusive, reverse, sizes.outer, sizes.middle, sizes.inner, x,
                            y.floats());
  return y.handle();
}

}  // namespace

void registerReduceKernels(Functions& functions) {
  functions.add("reduce", reduce);
  functions.add("argReduce", argReduce);
  functions.add("softmax", softmax);
  functions.add("cumulative", cumulative);
}

}  // namespace fastweight::binding
