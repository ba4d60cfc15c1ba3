// Elementwise kernels: each returns the handle of a new tensor.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

/// unary(code, x, count, p, q) -> y
Napi::Value unary(const Napi::CallbackInfo& info) {
  const auto op = enumArgument<UnaryOp>(info, 0, static_cast<int>(UnaryOp::kCount));
  const int64_t count = countArgument(info, 2);
  const float* x = floatsArgument(info, 1, count);
  const Result y(info, count, 4);
  deviceOf(info).unary(op, count, static_cast<float>(numberArgument(info, 3)),
                       static_cast<float>(numberArgument(info, 4)), x, y.floats());
  return y.handle();
}

/// predicate(code, x, count) -> y, bool
Napi::Value predicate(const Napi::CallbackInfo& info) {
  const auto op = enumArgument<PredicateOp>(info, 0, static_cast<int>(PredicateOp::kCount));
  const int64_t count = countArgument(info, 2);
  const float* x = floatsArgument(info, 1, count);
  const Result y(info, count, 1);
  deviceOf(info).predicate(op, count, x, static_cast<uint8_t*>(y.memory()));
  return y.handle();
}

/// Elements that a walk reaches with the given strides, from the first on; strides are not below 0.
int64_t reach(const StridedPair& layout, const int64_t* strides) {
  int64_t last = 0;
  for (int axis = 0; axis < layout.rank; ++axis) {
    if (layout.sizes[axis] == 0) return 0;
    last += (layout.sizes[axis] - 1) * strides[axis];
  }
  return last + 1;
}

/// binary(code, type, a, b, rank) -> y, walked as `layout` says
Napi::Value binary(const Napi::CallbackInfo& info) {
  const auto op = enumArgument<BinaryOp>(info, 0, static_cast<int>(BinaryOp::kCount));
  const ElementType type = typeArgument(info, 1);
  const StridedPair layout = layoutArgument(info, 4);
  int64_t count = 1;
  for (int axis = 0; axis < layout.rank; ++axis) count *= layout.sizes[axis];
  const int bytes = bytesOf(type);
  const void* a = elementsArgument(info, 2, reach(layout, layout.firstStrides), bytes);
  const void* b = elementsArgument(info, 3, reach(layout, layout.secondStrides), bytes);
  const Result y(info, count, op >= BinaryOp::kEqual ? 1 : bytes);
  if (!deviceOf(info).binary(op, type, layout, a, b, y.memory())) {
    y.fail(Status::expected(Code::kDtype, "a dtype that it has", "a binary kernel", "another"));
  }
  return y.handle();
}

/// select(bytesPerElement, condition, a, b, count) -> y
Napi::Value select(const Napi::CallbackInfo& info) {
  const int bytes = countArgument(info, 0) == 1 ? 1 : 4;
  const int64_t count = countArgument(info, 4);
  const void* condition = elementsArgument(info, 1, count, 1);
  const void* a = elementsArgument(info, 2, count, bytes);
  const void* b = elementsArgument(info, 3, count, bytes);
  const Result y(info, count, bytes);
  deviceOf(info).select(bytes, count, static_cast<const uint8_t*>(condition), a, b, y.memory());
  return y.handle();
}

/// cast(from, to, x, count) -> y
Napi::Value cast(const Napi::CallbackInfo& info) {
  const ElementType from = typeArgument(info, 0), to = typeArgument(info, 1);
  const int64_t count = countArgument(info, 3);
  const void* x = elementsArgument(info, 2, count, bytesOf(from));
  const Result y(info, count, bytesOf(to));
  deviceOf(info).cast(from, to, count, x, y.memory());
  return y.handle();
}

/// fill(type, count, value) -> y
Napi::Value fill(const Napi::CallbackInfo& info) {
  const ElementType type = typeArgument(info, 0);
  const int64_t count = countArgument(info, 1);
  const double value = numberArgument(info, 2);
  const Result y(info, productOf(info, {count, bytesOf(type)}) / bytesOf(type), bytesOf(type));
  deviceOf(info).fill(type, count, value, y.memory());
  return y.handle();
}

/// range(type, count, start, step) -> y
Napi::Value range(const Napi::CallbackInfo& info) {
  const ElementType type = typeArgument(info, 0);
  const int64_t count = countArgument(info, 1);
  const double start = numberArgument(info, 2), step = numberArgument(info, 3);
  const Result y(info, productOf(info, {count, bytesOf(type)}) / bytesOf(type), bytesOf(type));
  deviceOf(info).range(type, count, start, step, y.memory());
  return y.handle();
}

/// oneHot(type, indices, count, depth, on, off) -> y [count, depth]
Napi::Value oneHot(const Napi::CallbackInfo& info) {
  const ElementType type = typeArgument(info, 0);
  const int64_t count = countArgument(info, 2), depth = countArgument(info, 3);
  const int32_t* indices = intsArgument(info, 1, count);
  const double on = numberArgument(info, 4), off = numberArgument(info, 5);
  const Result y(info, productOf(info, {count, depth}), bytesOf(type));
  deviceOf(info).oneHot(type, count, depth, on, off, indices, y.memory());
  return y.handle();
}

/// Codes by kernel name.
Napi::Object codes(Napi::Env env, std::initializer_list<const char*> names) {
  Napi::Object table = Napi::Object::New(env);
  int code = 0;
  for (const char* name : names) table.Set(name, Napi::Number::New(env, code++));
  return table;
}

}  // namespace

void registerElementwiseKernels(Functions& functions) {
#define FASTWEIGHT_NAME(name, value) #name,
  functions.set("unaryCodes",
                codes(functions.env(), {FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_NAME)}));
  functions.set("predicateCodes", codes(functions.env(), {FASTWEIGHT_PREDICATES(FASTWEIGHT_NAME)}));
  functions.set("binaryCodes",
                codes(functions.env(), {FASTWEIGHT_BINARY_FUNCTIONS(FASTWEIGHT_NAME)}));
#undef FASTWEIGHT_NAME
  functions.add("unary", unary);
  functions.add("predicate", predicate);
  functions.add("binary", binary);
  functions.add("select", select);
  functions.add("cast", cast);
  functions.add("fill", fill);
  functions.add("range", range);
  functions.add("oneHot", oneHot);
}

}  // namespace fastweight::binding
