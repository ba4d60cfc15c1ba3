// Data movement: strided copies, gathers and their sums.
#include <algorithm>

#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

/// Bytes of a tensor from its first element to the last that a walk from element `start` reaches.
/// Throws ERR_SHAPE where it reaches elements before the first.
size_t walkedBytes(const Napi::CallbackInfo& info, int64_t start, int bytes,
                   const StridedPair& layout, const int64_t* strides) {
  int64_t first = start, last = start;
  for (int axis = 0; axis < layout.rank; ++axis) {
    const int64_t extent = (layout.sizes[axis] - 1) * strides[axis];
    (extent < 0 ? first : last) += extent;
  }
  if (first < 0) {
    check(info.Env(), Status::expected(Code::kShape, "a walk inside the tensor", "layout",
                                       "element " + std::to_string(first)));
  }
  return static_cast<size_t>(last + 1) * static_cast<size_t>(bytes);
}

/// copyStrided(bytesPerElement, from, fromStart, to, toStart, rank), walked as `layout` says
void copyStrided(const Napi::CallbackInfo& info) {
  const int bytes = countArgument(info, 0) == 1 ? 1 : 4;
  const int64_t fromStart = countArgument(info, 2), toStart = countArgument(info, 4);
  const StridedPair layout = layoutArgument(info, 5);
  for (int axis = 0; axis < layout.rank; ++axis) {
    if (layout.sizes[axis] <= 0) return;
  }
  const void* from =
      inputArgument(info, 1, walkedBytes(info, fromStart, bytes, layout, layout.firstStrides));
  void* to =
      outputArgument(info, 3, walkedBytes(info, toStart, bytes, layout, layout.secondStrides));
  deviceOf(info).copyStrided(bytes, layout, static_cast<const uint8_t*>(from) + fromStart * bytes,
                             static_cast<uint8_t*>(to) + toStart * bytes);
}

/// copyRanges(from, to, floats, ranges): items are `floats` floats each; every triple of `ranges`
/// says the first item to read, the first to write, and how many. Throws ERR_RANGE.
void copyRanges(const Napi::CallbackInfo& info) {
  const int64_t floats = countArgument(info, 2);
  if (!info[3].IsTypedArray()) {
    check(info.Env(),
          Status::expected(Code::kArgument, "an Int32Array", "ranges", "something else"));
  }
  const auto ranges = info[3].As<Napi::Int32Array>();
  int64_t fromItems = 0, toItems = 0;
  for (size_t i = 0; i + 2 < ranges.ElementLength(); i += 3) {
    const int64_t from = ranges[i], to = ranges[i + 1], count = ranges[i + 2];
    if (from < 0 || to < 0 || count < 0) {
      check(info.Env(), Status::expected(Code::kRange, "ranges of items from 0 on", "ranges",
                                         "a negative number"));
    }
    fromItems = std::max(fromItems, from + count);
    toItems = std::max(toItems, to + count);
  }
  const float* source = floatsArgument(info, 0, productOf(info, {fromItems, floats}));
  float* target = outputFloatsArgument(info, 1, productOf(info, {toItems, floats}));
  for (size_t i = 0; i + 2 < ranges.ElementLength(); i += 3) {
    deviceOf(info).copy(target + ranges[i + 1] * floats, source + ranges[i] * floats,
                        static_cast<size_t>(ranges[i + 2] * floats) * sizeof(float));
  }
}

/// gather(bytesPerElement, x, indices, batch, outer, size, indexCount, inner) -> y
Napi::Value gather(const Napi::CallbackInfo& info) {
  Gather g;
  g.elementBytes = countArgument(info, 0) == 1 ? 1 : 4;
  g.batch = countArgument(info, 3);
  g.outer = countArgument(info, 4);
  g.size = countArgument(info, 5);
  g.indexCount = countArgument(info, 6);
  g.inner = countArgument(info, 7);
  g.x = elementsArgument(info, 1, productOf(info, {g.batch, g.outer, g.size, g.inner}),
                         g.elementBytes);
  g.indices = intsArgument(info, 2, productOf(info, {g.batch, g.indexCount}));
  const Result y(info, productOf(info, {g.batch, g.outer, g.indexCount, g.inner}), g.elementBytes);
  g.y = y.memory();
  int32_t wrongIndex = 0;
  if (!deviceOf(info).gather(g, &wrongIndex)) {
    const std::string range = "[0, " + std::to_string(g.size - 1) + "]";
    const std::string index = std::to_string(wrongIndex);
    // The sentence that tfjs's users know follows ours.
    y.fail(Status(Code::kRange, "Expected an index in " + range + " for indices but got " + index +
                                    ". GatherV2: the index value " + index + " is not in " +
                                    range));
  }
  return y.handle();
}

/// segmentSum(x, ids, rows, inner, segments) -> y [segments, inner]
Napi::Value segmentSum(const Napi::CallbackInfo& info) {
  const int64_t rows = countArgument(info, 2), inner = countArgument(info, 3),
                segments = countArgument(info, 4);
  const float* x = floatsArgument(info, 0, productOf(info, {rows, inner}));
  const int32_t* ids = intsArgument(info, 1, rows);
  const Result y(info, productOf(info, {segments, inner}), 4);
  deviceOf(info).segmentSum(rows, inner, segments, x, ids, y.floats());
  return y.handle();
}

}  // namespace

void registerMovementKernels(Functions& functions) {
  functions.add("copyStrided", copyStrided);
  functions.add("copyRanges", copyRanges);
  functions.add("gather", gather);
  functions.add("segmentSum", segmentSum);
}

}  // namespace fastweight::binding
