// fastWeightScan, its backward, and newtonSchulz. Tensors come as handles; 0 stands for none.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "binding/environment.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight::binding {
namespace {

/// Reads the fields of the one object that a call takes.
class Fields {
 public:
  explicit Fields(const Napi::CallbackInfo& info)
      : env_(info.Env()), tensors_(*Session::of(info).tensors) {
    if (info.Length() < 1 || !info[0].IsObject()) {
      check(env_, Status::expected(Code::kArgument, "an object", "argument 0", "something else"));
    }
    object_ = info[0].As<Napi::Object>();
  }

  int64_t integer(const char* name) const { return static_cast<int64_t>(number(name)); }
  float real(const char* name) const { return static_cast<float>(number(name)); }
  bool flag(const char* name) const { return object_.Get(name).ToBoolean().Value(); }
  std::string text(const char* name) const { return object_.Get(name).ToString().Utf8Value(); }

  template <typename Array>
  Array array(const char* name) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsTypedArray()) wrong("a typed array", name);
    return value.As<Array>();
  }

  /// The tensor `name` of at least `count` floats, or null where the field is absent or 0.
  const float* floats(const char* name, int64_t count) const {
    const Handle handle = handleOf(name);
    if (handle == 0) return nullptr;
    const void* memory = nullptr;
    check(env_, tensors_.read(handle, static_cast<size_t>(count) * sizeof(float), &memory));
    return static_cast<const float*>(memory);
  }

  /// As floats(), an operand of products as they read it.
  StoredFloats operand(const char* name, int64_t count) const {
    const Handle handle = handleOf(name);
    if (handle == 0 || !tensors_.device().productsReadBfloat16()) return floats(name, count);
    StoredFloats values;
    check(env_, tensors_.stored(handle, count, &values));
    return values;
  }

  /// As floats(), to be written.
  float* output(const char* name, int64_t count) const {
    const Handle handle = handleOf(name);
    if (handle == 0) return nullptr;
    void* memory = nullptr;
    check(env_, tensors_.write(handle, static_cast<size_t>(count) * sizeof(float), &memory));
    return static_cast<float*>(memory);
  }

  /// The weights named w0, w1, w2 with `suffix` behind; all or none.
  FastWeights<const float> weights(const std::string& suffix, const ScanShape& s) const {
    return set<const float>(&Fields::floats, suffix, weightCount02(s), weightCount1(s));
  }
  FastWeights<float> outputWeights(const std::string& suffix, const ScanShape& s) const {
    return set<float>(&Fields::output, suffix, weightCount02(s), weightCount1(s));
  }

  /// As weights(), of row norms.
  FastWeights<const float> norms(const std::string& suffix, const ScanShape& s) const {
    return set<const float>(&Fields::floats, suffix, s.rows * s.hiddenDim, s.rows * s.valueDim);
  }
  FastWeights<float> outputNorms(const std::string& suffix, const ScanShape& s) const {
    return set<float>(&Fields::output, suffix, s.rows * s.hiddenDim, s.rows * s.valueDim);
  }

  [[noreturn]] void wrong(const char* expectation, const char* name) const {
    check(env_, Status::expected(Code::kArgument, expectation, name, "something else"));
    throw Napi::Error::New(env_, "unreachable");
  }

 private:
  static int64_t weightCount02(const ScanShape& s) { return s.rows * s.hiddenDim * s.keyDim; }
  static int64_t weightCount1(const ScanShape& s) { return s.rows * s.valueDim * s.hiddenDim; }

  template <typename Float>
  FastWeights<Float> set(Float* (Fields::*tensor)(const char*, int64_t) const,
                         const std::string& suffix, int64_t count02, int64_t count1) const {
    FastWeights<Float> set;
    set.w0 = (this->*tensor)(("w0" + suffix).c_str(), count02);
    set.w1 = (this->*tensor)(("w1" + suffix).c_str(), count1);
    set.w2 = (this->*tensor)(("w2" + suffix).c_str(), count02);
    if ((set.w0 == nullptr) != (set.w1 == nullptr) || (set.w0 == nullptr) != (set.w2 == nullptr)) {
      wrong("all of w0, w1, w2 or none", suffix.c_str());
    }
    return set;
  }

  Handle handleOf(const char* name) const {
    return object_.Get(name).IsUndefined() ? 0 : integer(name);
  }

  double number(const char* name) const {
    const Napi::Value value = object_.Get(name);
    if (!value.IsNumber()) wrong("a number", name);
    const double number = value.As<Napi::Number>().DoubleValue();
    if (!(number >= -9007199254740991.0 && number <= 9007199254740991.0)) wrong("a number", name);
    return number;
  }

  Napi::Env env_;
  TensorTable& tensors_;
  Napi::Object object_;
};

bool has(const Program& program, ProgramStep::Kind kind) {
  return std::any_of(program.begin(), program.end(),
                     [=](const ProgramStep& step) { return step.kind == kind; });
}

NewtonSchulzSchedule readSchedule(const Fields& fields) {
  const auto triples = fields.array<Napi::Float32Array>("newtonSchulz");
  NewtonSchulzSchedule schedule;
  for (size_t i = 0; i + 2 < triples.ElementLength(); i += 3) {
    schedule.push_back({triples[i], triples[i + 1], triples[i + 2]});
  }
  return schedule;
}

NewtonSchulzMethod readMethod(const Fields& fields) {
  return fields.text("method") == "gram" ? NewtonSchulzMethod::kGram
                                         : NewtonSchulzMethod::kStandard;
}

/// What forward and backward both take.
struct ScanCall {
  ScanShape shape;
  Program program;
  ScanOptions options;
  ScanInputs inputs;

  ScanCall(const Napi::CallbackInfo& info, const Fields& fields) {
    shape.rows = fields.integer("rows");
    shape.tokens = fields.integer("tokens");
    shape.keyDim = fields.integer("keyDim");
    shape.hiddenDim = fields.integer("hiddenDim");
    shape.valueDim = fields.integer("valueDim");
    for (int64_t size : {shape.rows, shape.tokens, shape.keyDim, shape.hiddenDim, shape.valueDim}) {
      if (size < 1 || size > (int64_t{1} << 31)) fields.wrong("a size of at least 1", "shape");
    }
    const auto steps = fields.array<Napi::Int32Array>("program");
    for (size_t i = 0; i + 2 < steps.ElementLength(); i += 3) {
      program.push_back({steps[i] == 0 ? ProgramStep::Kind::kUpdate : ProgramStep::Kind::kApply,
                         steps[i + 1], steps[i + 2]});
    }
    check(info.Env(), validateProgram(program, shape.tokens));
    const std::string norm = fields.text("weightNorm");
    options.weightNorm = norm == "pre"    ? WeightNorm::kPre
                         : norm == "none" ? WeightNorm::kNone
                                          : WeightNorm::kPost;
    options.detachNorm = fields.flag("detachNorm");
    const std::string memory = fields.text("memory");
    options.memory = memory == "store"         ? ScanMemory::kStore
                     : memory == "activations" ? ScanMemory::kActivations
                     : memory == "recompute"   ? ScanMemory::kRecompute
                                               : ScanMemory::kAuto;
    options.newtonSchulz = readSchedule(fields);
    options.newtonSchulzMethod = readMethod(fields);
    options.normEpsilon = fields.real("normEpsilon");
    options.newtonSchulzEpsilon = fields.real("newtonSchulzEpsilon");
    const int64_t tokens = shape.rows * shape.tokens;
    inputs.q = fields.operand("q", tokens * shape.keyDim);
    inputs.k = fields.operand("k", tokens * shape.keyDim);
    inputs.v = fields.operand("v", tokens * shape.valueDim);
    inputs.rates = fields.floats("rates", tokens * 3);
    inputs.momentum = fields.floats("momentum", tokens);
    inputs.weights = fields.weights("", shape);
    inputs.norms = fields.norms("Norm", shape);
    inputs.mainWeights = fields.weights("Main", shape);
    inputs.momenta = fields.weights("Momentum", shape);
    if (!inputs.weights) fields.wrong("a tensor", "w0, w1, w2");
    if (has(program, ProgramStep::Kind::kApply) && !inputs.q) fields.wrong("a tensor", "q");
    if (has(program, ProgramStep::Kind::kUpdate) && (!inputs.k || !inputs.v || !inputs.rates)) {
      fields.wrong("a tensor", "k, v, rates");
    }
    if ((inputs.mainWeights && options.weightNorm != WeightNorm::kPre) ||
        (inputs.norms && options.weightNorm == WeightNorm::kNone) ||
        (inputs.momenta && inputs.momentum == nullptr)) {
      fields.wrong("the sets that the options use", "Main, Norm, Momentum");
    }
  }
};

/// fastWeightScan(fields): runs the program; with a `tape` handle, ties the tape to that tensor.
void scan(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Session& session = Session::of(info);
  const Fields fields(info);
  const ScanCall call(info, fields);
  ScanOutputs outputs;
  outputs.output =
      fields.output("output", call.shape.rows * outputTokens(call.program) * call.shape.valueDim);
  outputs.weights = fields.outputWeights("Out", call.shape);
  outputs.mainWeights = fields.outputWeights("MainOut", call.shape);
  outputs.momenta = fields.outputWeights("MomentumOut", call.shape);
  outputs.norms = fields.outputNorms("NormOut", call.shape);
  if (outputs.norms && call.options.weightNorm == WeightNorm::kNone) {
    fields.wrong("no tensor without a weight norm", "NormOut");
  }
  if (outputs.output == nullptr && outputTokens(call.program) > 0) {
    fields.wrong("a tensor", "output");
  }
  const int64_t tapeHandle = fields.integer("tape");
  std::unique_ptr<ScanTape> tape;
  check(env, fastWeightScan(*session.device, call.shape, call.program, call.options, call.inputs,
                            outputs, tapeHandle != 0 ? &tape : nullptr));
  if (tapeHandle != 0) check(env, session.tensors->attach(tapeHandle, std::move(tape)));
}

/// fastWeightScanBackward(fields): the gradients of every input.
void scanBackward(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Session& session = Session::of(info);
  const Fields fields(info);
  const ScanCall call(info, fields);
  Attachment* attachment = nullptr;
  check(env, session.tensors->attachment(fields.integer("tape"), &attachment));
  const auto* tape = dynamic_cast<const ScanTape*>(attachment);
  if (tape == nullptr) fields.wrong("the tape of a fastWeightScan", "tape");
  const ScanShape& s = call.shape;
  const int64_t tokens = s.rows * s.tokens;
  ScanCotangents cotangents;
  cotangents.output =
      fields.floats("outputCotangent", s.rows * outputTokens(call.program) * s.valueDim);
  cotangents.weights = fields.weights("Cotangent", s);
  cotangents.mainWeights = fields.weights("MainCotangent", s);
  cotangents.momenta = fields.weights("MomentumCotangent", s);
  cotangents.norms = fields.norms("NormCotangent", s);
  ScanGradients gradients;
  gradients.weights = fields.outputWeights("Gradient", s);
  gradients.mainWeights = fields.outputWeights("MainGradient", s);
  gradients.momenta = fields.outputWeights("MomentumGradient", s);
  gradients.norms = fields.outputNorms("NormGradient", s);
  gradients.q = fields.output("qGradient", tokens * s.keyDim);
  gradients.k = fields.output("kGradient", tokens * s.keyDim);
  gradients.v = fields.output("vGradient", tokens * s.valueDim);
  gradients.rates = fields.output("ratesGradient", tokens * 3);
  gradients.momentum = fields.output("momentumGradient", tokens);
  const ScanInputs& inputs = call.inputs;
  const auto same = [](const void* input, const void* gradient) {
    return (input != nullptr) == (gradient != nullptr);
  };
  if (!gradients.weights || !same(inputs.q.data, gradients.q) ||
      !same(inputs.k.data, gradients.k) || !same(inputs.v.data, gradients.v) ||
      !same(inputs.rates, gradients.rates) || !same(inputs.momentum, gradients.momentum) ||
      !same(inputs.mainWeights.w0, gradients.mainWeights.w0) ||
      !same(inputs.momenta.w0, gradients.momenta.w0) ||
      !same(inputs.norms.w0, gradients.norms.w0)) {
    fields.wrong("a tensor for the gradient of each input", "gradients");
  }
  check(env, fastWeightScanBackward(*session.device, s, call.program, call.options, call.inputs,
                                    *tape, cotangents, gradients));
}

/// newtonSchulz({matrices, rows, columns, newtonSchulz, epsilon, d, out}), and with `outCotangent`
/// and `dCotangent` in place of `out`, its backward.
void newtonSchulz(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Session& session = Session::of(info);
  const Fields fields(info);
  const NewtonSchulzMatrices shape{fields.integer("matrices"), fields.integer("rows"),
                                   fields.integer("columns")};
  const float* d = fields.floats("d", shape.count());
  float* out = fields.output("out", shape.count());
  const float* outCotangent = fields.floats("outCotangent", shape.count());
  float* dCotangent = fields.output("dCotangent", shape.count());
  const bool backward = outCotangent != nullptr;
  if (d == nullptr || (backward ? dCotangent : out) == nullptr) {
    fields.wrong("a tensor", "d, out");
  }
  Device& device = *session.device;
  const NewtonSchulz iteration(device, readSchedule(fields), {shape}, fields.real("epsilon"),
                               readMethod(fields));
  const int64_t floats =
      backward ? iteration.iterateFloats() + iteration.backwardFloats() : iteration.forwardFloats();
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  void* workspace = device.allocate(bytes);
  if (workspace == nullptr) {
    check(env, Status(Code::kOutOfMemory, "Expected room for the Newton-Schulz workspace of " +
                                              std::to_string(bytes) + " bytes but got none"));
  }
  if (backward) {
    auto* iterates = static_cast<float*>(workspace);
    iteration.forwardKeeping(d, dCotangent, iterates);
    iteration.backward(iterates, outCotangent, dCotangent, iterates + iteration.iterateFloats());
  } else {
    iteration.forward(d, out, static_cast<float*>(workspace));
  }
  const Status status = device.synchronize();
  device.release(workspace, bytes);
  check(env, status);
}

}  // namespace

void registerFastWeights(Functions& functions) {
  functions.add("fastWeightScan", scan);
  functions.add("fastWeightScanBackward", scanBackward);
  functions.add("newtonSchulz", newtonSchulz);
}

}  // namespace fastweight::binding
