// Optimizer steps over all variables at once. The variables come as rows of numbers in a
// Float64Array: sizes and handles.
#include <utility>
#include <vector>

#include "binding/kernel_arguments.h"
#include "fastweight/muon.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

/// Argument `index`, a table of `columns` numbers a row.
class Table {
 public:
  Table(const Napi::CallbackInfo& info, size_t index, size_t columns)
      : info_(info), columns_(columns) {
    const bool given = index < info.Length() && info[index].IsTypedArray() &&
                       info[index].As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
    if (!given) wrong("a Float64Array");
    array_ = info[index].As<Napi::Float64Array>();
    if (array_.ElementLength() % columns != 0) wrong("rows of equal length");
  }

  size_t rows() const { return array_.ElementLength() / columns_; }
  double number(size_t row, size_t column) const { return array_[row * columns_ + column]; }

  int64_t size(size_t row, size_t column) const {
    const double value = number(row, column);
    if (!(value >= 0 && value <= 2147483648.0)) wrong("sizes of at most 2^31");
    return static_cast<int64_t>(value);
  }

  const float* floats(size_t row, size_t column, int64_t count) const {
    const void* memory = nullptr;
    check(info_.Env(), tensors().read(handle(row, column), bytesOf(count), &memory));
    return static_cast<const float*>(memory);
  }

  /// The same, to be changed in place.
  float* ownFloats(size_t row, size_t column, int64_t count) const {
    void* memory = nullptr;
    check(info_.Env(), tensors().write(handle(row, column), bytesOf(count), &memory));
    return static_cast<float*>(memory);
  }

 private:
  TensorTable& tensors() const { return *Session::of(info_).tensors; }
  static size_t bytesOf(int64_t count) { return static_cast<size_t>(count) * sizeof(float); }

  Handle handle(size_t row, size_t column) const {
    const double handle = number(row, column);
    if (!(handle >= 0 && handle <= 9007199254740991.0)) wrong("handles");
    return static_cast<Handle>(handle);
  }

  void wrong(const char* expectation) const {
    check(info_.Env(), Status::expected(Code::kArgument, expectation, "tensors", "something else"));
  }

  const Napi::CallbackInfo& info_;
  size_t columns_;
  Napi::Float64Array array_;
};

float realArgument(const Napi::CallbackInfo& info, size_t index) {
  return static_cast<float>(numberArgument(info, index));
}

/// adamWStep(tensors, beta1, beta2, epsilon, kept, rate, secondCorrection)
/// tensors: rows of count, variable, gradient, first, second.
void adamWStep(const Napi::CallbackInfo& info) {
  const Table table(info, 0, 5);
  const double beta1 = numberArgument(info, 1), beta2 = numberArgument(info, 2);
  AdamWStep step;
  step.beta1 = static_cast<float>(beta1);
  step.oneMinusBeta1 = static_cast<float>(1 - beta1);
  step.beta2 = static_cast<float>(beta2);
  step.oneMinusBeta2 = static_cast<float>(1 - beta2);
  step.epsilon = realArgument(info, 3);
  step.kept = realArgument(info, 4);
  step.rate = realArgument(info, 5);
  step.secondCorrection = realArgument(info, 6);
  std::vector<AdamWTensor> tensors;
  for (size_t row = 0; row < table.rows(); ++row) {
    const int64_t count = table.size(row, 0);
    tensors.push_back({count, table.ownFloats(row, 1, count), table.floats(row, 2, count),
                       table.ownFloats(row, 3, count), table.ownFloats(row, 4, count)});
  }
  deviceOf(info).adamW(step, static_cast<int64_t>(tensors.size()), tensors.data());
}

/// muonStep(tensors, schedule, learningRate, momentum, nesterov, kept)
/// tensors: rows of batch, rows, columns, scale, variable, gradient, average; schedule: a, b, c of
/// each Newton-Schulz step.
void muonStep(const Napi::CallbackInfo& info) {
  const Table table(info, 0, 7);
  const Table schedule(info, 1, 3);
  MuonStep step;
  step.learningRate = realArgument(info, 2);
  step.momentum = numberArgument(info, 3);
  step.nesterov = booleanArgument(info, 4);
  step.kept = realArgument(info, 5);
  for (size_t row = 0; row < schedule.rows(); ++row) {
    step.newtonSchulz.push_back({static_cast<float>(schedule.number(row, 0)),
                                 static_cast<float>(schedule.number(row, 1)),
                                 static_cast<float>(schedule.number(row, 2))});
  }
  std::vector<MuonTensor> tensors;
  for (size_t row = 0; row < table.rows(); ++row) {
    MuonTensor tensor;
    tensor.matrices = {table.size(row, 0), table.size(row, 1), table.size(row, 2)};
    const int64_t count =
        productOf(info, {table.size(row, 0), table.size(row, 1), table.size(row, 2)});
    tensor.scale = static_cast<float>(table.number(row, 3));
    tensor.variable = table.ownFloats(row, 4, count);
    tensor.gradient = table.floats(row, 5, count);
    tensor.average = table.ownFloats(row, 6, count);
    tensors.push_back(tensor);
  }
  check(info.Env(), fastweight::muonStep(deviceOf(info), step, std::move(tensors)));
}

/// globalNorm(tensors, norm): tensors: rows of count, handle.
void globalNorm(const Napi::CallbackInfo& info) {
  const Table table(info, 0, 2);
  float* norm = outputFloatsArgument(info, 1, 1);
  std::vector<FloatsView> tensors;
  for (size_t row = 0; row < table.rows(); ++row) {
    const int64_t count = table.size(row, 0);
    tensors.push_back({count, table.floats(row, 1, count)});
  }
  check(info.Env(),
        deviceOf(info).globalNorm(static_cast<int64_t>(tensors.size()), tensors.data(), norm));
}

}  // namespace

void registerOptimizerKernels(Functions& functions) {
  functions.add("adamWStep", adamWStep);
  functions.add("muonStep", muonStep);
  functions.add("globalNorm", globalNorm);
}

}  // namespace fastweight::binding
