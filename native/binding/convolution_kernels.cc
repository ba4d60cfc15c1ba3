// Convolutions. `layout` holds the sizes, in the order of the fields of Convolution.
#include "binding/kernel_arguments.h"

namespace fastweight::binding {
namespace {

struct Call {
  static constexpr int kNumbers = 15;
  Convolution shape;
  int64_t inputs, filters, outputs;

  explicit Call(const Napi::CallbackInfo& info) {
    int64_t* const sizes[] = {&shape.batch,        &shape.inHeight,     &shape.inWidth,
                              &shape.inChannels,   &shape.outHeight,    &shape.outWidth,
                              &shape.outChannels,  &shape.filterHeight, &shape.filterWidth,
                              &shape.strideHeight, &shape.strideWidth,  &shape.dilationHeight,
                              &shape.dilationWidth};
    const double* numbers = Session::of(info).layout;
    for (int64_t* size : sizes) *size = checked(info, *numbers++, 1);
    shape.padTop = checked(info, *numbers++, 0);
    shape.padLeft = checked(info, *numbers++, 0);
    inputs = productOf(info, {shape.batch, shape.inHeight, shape.inWidth, shape.inChannels});
    filters = productOf(
        info, {shape.filterHeight, shape.filterWidth, shape.inChannels, shape.outChannels});
    outputs = productOf(info, {shape.batch, shape.outHeight, shape.outWidth, shape.outChannels});
    // The largest workspace: the patches of all positions.
    productOf(info, {outputs, shape.filterHeight, shape.filterWidth, shape.inChannels});
  }

 private:
  static int64_t checked(const Napi::CallbackInfo& info, double number, double least) {
    if (!(number >= least && number <= 2147483647.0)) {
      check(info.Env(), Status::expected(Code::kRange, "a size of at most 2^31 - 1",
                                         "a convolution", std::to_string(number)));
    }
    return static_cast<int64_t>(number);
  }
};

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

/// convolve(x, filter, bias, slopes) -> y through the activation, which epilogueArgument() finds
/// behind the sizes. bias, slopes [outChannels] or 0.
Napi::Value convolve(const Napi::CallbackInfo& info) {
  const Call call(info);
  const float* x = floatsArgument(info, 0, call.inputs);
  const float* filter = floatsArgument(info, 1, call.filters);
  const Epilogue epilogue =
      epilogueArgument(info, 2, call.shape.outChannels, Session::of(info).layout + Call::kNumbers);
  const Result y(info, call.outputs, 4);
  const Status status =
      fastweight::convolve(deviceOf(info), call.shape, x, filter, epilogue, y.floats());
  if (!status.isOk()) y.fail(status);
  return y.handle();
}

/// convolveInputBackward(yCotangent, filter) -> xCotangent
Napi::Value convolveInputBackward(const Napi::CallbackInfo& info) {
  const Call call(info);
  const float* dy = floatsArgument(info, 0, call.outputs);
  const float* filter = floatsArgument(info, 1, call.filters);
  const Result dx(info, call.inputs, 4);
  const Status status =
      fastweight::convolveInputBackward(deviceOf(info), call.shape, dy, filter, dx.floats());
  if (!status.isOk()) dx.fail(status);
  return dx.handle();
}

/// convolveFilterBackward(x, yCotangent) -> filterCotangent
Napi::Value convolveFilterBackward(const Napi::CallbackInfo& info) {
  const Call call(info);
  const float* x = floatsArgument(info, 0, call.inputs);
  const float* dy = floatsArgument(info, 1, call.outputs);
  const Result dFilter(info, call.filters, 4);
  const Status status =
      fastweight::convolveFilterBackward(deviceOf(info), call.shape, x, dy, dFilter.floats());
  if (!status.isOk()) dFilter.fail(status);
  return dFilter.handle();
}

}  // namespace

void registerConvolutionKernels(Functions& functions) {
  functions.add("convolve", convolve);
  functions.add("convolveInputBackward", convolveInputBackward);
  functions.add("convolveFilterBackward", convolveFilterBackward);
}

}  // namespace fastweight::binding
