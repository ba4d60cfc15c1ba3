#include "fastweight/fast_weight_scan.h"

#include <string>

#include "core/scan_key.h"

namespace fastweight {
namespace {

class Forward {
 public:
  Forward(const ScanEngine& engine, const Program& program, const ScanOutputs& outputs,
          ScanTape* tape)
      : engine_(engine),
        device_(engine.device),
        program_(program),
        outputs_(outputs),
        tape_(tape),
        workspace_(device_, workspaceFloats()) {}

  Status run() {
    if (workspace_.isNull()) {
      return Status(Code::kOutOfMemory, "Expected room for the scan's workspace of " +
                                            std::to_string(workspaceFloats() * sizeof(float)) +
                                            " bytes but got none");
    }
    divideWorkspace();
    engine_.queue(forwardKey(engine_, program_, outputs_, tape_, workspace_.start()),
                  [this] { pass(); });
    FASTWEIGHT_RETURN_IF_ERROR(device_.synchronize());
    if (!device_.allFinite(live_.count(), live_.data())) {
      return Status::expected(Code::kNonFinite, "finite weights after the updates",
                              "fastWeightScan",
                              "NaN or infinity. Lower the step sizes, or check the inputs");
    }
    return Status::ok();
  }

 private:
  const ScanShape& shape() const { return engine_.shape; }

  /// Everything between the workspace and the results.
  void pass() {
    start();
    for (size_t index = 0; index < program_.size(); ++index) {
      if (program_[index].kind == ProgramStep::Kind::kApply) {
        apply(index);
      } else {
        update(index);
      }
    }
    if (tape_ != nullptr) device_.copy(tape_->finalLive(), live_.data(), bytesOf(live_));
    finish();
  }

  int64_t workspaceFloats() const {
    const int64_t set = Workspace::aligned(WeightSet::floats(shape()));
    const int64_t tileRows = shape().rows * engine_.tile;
    return 4 * set + Workspace::aligned(WeightSet::normRows(shape())) +
           Workspace::aligned(shape().rows + 1) +
           Workspace::aligned(tileRows * 2 * shape().hiddenDim) +
           Workspace::aligned(tileRows * shape().hiddenDim) + engine_.newtonSchulzForwardFloats();
  }

  WeightSet takeSet() { return engine_.set(workspace_.take(WeightSet::floats(shape()))); }

  void divideWorkspace() {
    const int64_t tileRows = shape().rows * engine_.tile;
    live_ = takeSet();
    main_ = engine_.hasMain() ? takeSet() : live_;
    d_ = takeSet();
    step_ = takeSet();
    norms_ = workspace_.take(WeightSet::normRows(shape()));
    betas_ = workspace_.take(shape().rows + 1);
    gateUp_ = packed(workspace_.take(tileRows * 2 * shape().hiddenDim), engine_.tile,
                     2 * shape().hiddenDim);
    hidden_ =
        packed(workspace_.take(tileRows * shape().hiddenDim), engine_.tile, shape().hiddenDim);
    newtonSchulz_ = workspace_.take(engine_.newtonSchulzForwardFloats());
  }

  void start() {
    written_ = 0;
    const ScanInputs& inputs = engine_.inputs;
    engine_.gather(inputs.weights, live_);
    if (engine_.hasNorms()) {
      if (inputs.norms) {
        engine_.gatherNorms(inputs.norms, norms_);
      } else {
        engine_.rowNorms(live_, norms_);
      }
    }
    if (engine_.hasMain()) {
      engine_.gather(inputs.mainWeights ? inputs.mainWeights : inputs.weights, main_);
    }
    if (inputs.momenta) {
      engine_.gather(inputs.momenta, d_);
    } else {
      device_.zero(d_.data(), bytesOf(d_));
    }
  }

  /// o_t = f(q_t) for the step's tokens.
  void apply(size_t index) {
    const ProgramStep& step = program_[index];
    const bool keeps = tape_ != nullptr && tape_->storesActivations();
    const int64_t outputRows = outputTokens(program_);
    const Matrices output = packed(outputs_.output, outputRows, shape().valueDim);
    engine_.forTiles(step, [&](int64_t start, int64_t tokens) {
      Swiglu swiglu;
      swiglu.batch = shape().rows;
      swiglu.tokens = tokens;
      swiglu.keyDim = shape().keyDim;
      swiglu.hiddenDim = shape().hiddenDim;
      swiglu.x = engine_.q().at(start);
      swiglu.w02 = live_.w02();
      swiglu.keepGateUp = keeps;
      swiglu.gateUp = keeps ? keptGateUp(index).at(start - step.start) : gateUp_;
      swiglu.hidden = hidden_;
      device_.swiglu(swiglu);
      device_.gemm(engine_.tokenProduct(tokens, shape().valueDim, shape().hiddenDim, hidden_,
                                        live_.w1(), true, output.at(written_), 0));
      written_ += tokens;
    });
  }

  void update(size_t index) {
    if (tape_ != nullptr) {
      device_.copy(tape_->live(index), live_.data(), bytesOf(live_));
      if (engine_.hasMain()) device_.copy(tape_->main(index), main_.data(), bytesOf(main_));
    }
    descend(index);
    if (tape_ != nullptr) device_.copy(tape_->step(index), d_.data(), bytesOf(d_));
    const WeightSet increment = orthogonalise(index);
    const int64_t rows02 = WeightSet::normRows02(shape());
    renormalise(rows02, shape().keyDim, increment.data(), norms_, main_.data(), live_.data());
    renormalise(shape().rows * shape().valueDim, shape().hiddenDim, increment.data1(),
                norms_ + rows02, main_.data1(), live_.data1());
  }

  /// What d adds to the weights.
  WeightSet orthogonalise(size_t index) {
    if (!engine_.hasMuon()) return d_;
    if (tape_ == nullptr || !tape_->storesIterates()) {
      engine_.newtonSchulzForward(d_, step_, newtonSchulz_);
      return step_;
    }
    const WeightSet kept = engine_.set(tape_->increment(index));
    engine_.newtonSchulzForwardKeeping(d_, kept, tape_->iterates(index));
    return kept;
  }

  Matrices keptGateUp(size_t index) const {
    return packed(tape_->gateUp(index), program_[index].tokens(), 2 * shape().hiddenDim);
  }

  Matrices keptDHidden(size_t index) const {
    return packed(tape_->dHidden(index), program_[index].tokens(), shape().hiddenDim);
  }

  /// Leaves a tile's scaled gradients in gateUp_ and hidden_.
  void tileGradient(size_t index, int64_t start, int64_t tokens) {
    const bool keeps = tape_ != nullptr && tape_->storesActivations();
    const int64_t within = start - program_[index].start;
    SwigluGradient gradient;
    gradient.batch = shape().rows;
    gradient.tokens = tokens;
    gradient.keyDim = shape().keyDim;
    gradient.valueDim = shape().valueDim;
    gradient.hiddenDim = shape().hiddenDim;
    gradient.activationsOnly = keeps;
    gradient.k = engine_.k().at(start);
    gradient.v = engine_.v().at(start);
    gradient.w02 = live_.w02();
    gradient.w1 = live_.w1();
    gradient.rates = engine_.rates().at(start);
    gradient.gateUp = keeps ? keptGateUp(index).at(within) : gateUp_;
    gradient.dHidden = keeps ? keptDHidden(index).at(within) : hidden_;
    device_.swigluGradient(gradient);
    if (!keeps) return;
    ScaleSwigluGradient scale;
    scale.batch = shape().rows;
    scale.tokens = tokens;
    scale.hiddenDim = shape().hiddenDim;
    scale.rates = gradient.rates;
    scale.gateUp = gradient.gateUp;
    scale.dHidden = gradient.dHidden;
    scale.scaledGateUp = gateUp_;
    scale.scaledHidden = hidden_;
    device_.scaleSwigluGradient(scale);
  }

  /// d <- gradient of the step's tokens + beta * d.
  void descend(size_t index) {
    const ProgramStep& step = program_[index];
    const bool separate = engine_.ranks() > 1;
    const WeightSet& sum = separate ? step_ : d_;
    if (engine_.hasMomentum()) engine_.meanMomentum(step, betas_);
    bool first = true;
    engine_.forTiles(step, [&](int64_t start, int64_t tokens) {
      tileGradient(index, start, tokens);
      const float beta = first ? 0.0f : 1.0f;
      Gemm weights[2] = {engine_.weightProduct(tokens, 2 * shape().hiddenDim, shape().keyDim,
                                               gateUp_, engine_.k().at(start), sum.w02(), beta),
                         engine_.weightProduct(tokens, shape().valueDim, shape().hiddenDim,
                                               engine_.v().at(start), hidden_, sum.w1(), beta)};
      if (first && !separate && engine_.hasMomentum()) {
        for (Gemm& each : weights) each.betas = betas_;
      }
      device_.gemms(2, weights);
      first = false;
    });
    if (!separate) return;
    engine_.options.communicator->sum(sum.count(), sum.data());
    if (engine_.hasMomentum()) {
      const int64_t row02 = 2 * shape().hiddenDim * shape().keyDim;
      device_.scaleRows(shape().rows, row02, betas_, d_.data());
      device_.scaleRows(shape().rows, shape().valueDim * shape().hiddenDim, betas_, d_.data1());
    }
    device_.axpby(sum.count(), 1, sum.data(), engine_.hasMomentum() ? 1.0f : 0.0f, d_.data());
  }

  void renormalise(int64_t rows, int64_t columns, const float* increment, const float* norms,
                   float* main, float* live) {
    StepAndRenormalise step;
    step.rows = rows;
    step.columns = columns;
    step.epsilon = engine_.options.normEpsilon;
    step.step = increment;
    step.norms = norms;
    step.main = main;
    step.live = engine_.hasNorms() ? live : nullptr;
    device_.stepAndRenormalise(step);
  }

  void finish() {
    if (outputs_.weights) engine_.scatter(live_, outputs_.weights);
    if (outputs_.mainWeights) engine_.scatter(main_, outputs_.mainWeights);
    if (outputs_.momenta) engine_.scatter(d_, outputs_.momenta);
    if (outputs_.norms) engine_.scatterNorms(norms_, outputs_.norms);
  }

  static size_t bytesOf(const WeightSet& set) {
    return static_cast<size_t>(set.count()) * sizeof(float);
  }

  const ScanEngine& engine_;
  Device& device_;
  const Program& program_;
  const ScanOutputs& outputs_;
  ScanTape* tape_;
  Workspace workspace_;
  WeightSet live_{engine_.shape, nullptr}, main_ = live_, d_ = live_, step_ = live_;
  float* norms_ = nullptr;
  float* betas_ = nullptr;
  float* newtonSchulz_ = nullptr;
  Matrices gateUp_, hidden_;
  /// Tokens of the output so far.
  int64_t written_ = 0;
};

Status checkFinite(Device& device, int64_t count, const float* values, const char* name) {
  if (values == nullptr || device.allFinite(count, values)) return Status::ok();
  return Status::expected(Code::kNonFinite, "finite values", name, "NaN or infinity");
}

}  // namespace

Status fastWeightScan(Device& device, const ScanShape& shape, const Program& program,
                      const ScanOptions& options, const ScanInputs& inputs,
                      const ScanOutputs& outputs, std::unique_ptr<ScanTape>* tape) {
  FASTWEIGHT_RETURN_IF_ERROR(validateProgram(program, shape.tokens));
  const int64_t tokens = shape.rows * shape.tokens;
  FASTWEIGHT_RETURN_IF_ERROR(checkFinite(device, 3 * tokens, inputs.rates, "rates"));
  FASTWEIGHT_RETURN_IF_ERROR(checkFinite(device, tokens, inputs.momentum, "momentum"));
  // The backward is that of the standard iteration, so a forward that it follows is one, too.
  ScanOptions taken = options;
  if (tape != nullptr) taken.newtonSchulzMethod = NewtonSchulzMethod::kStandard;
  const ScanEngine engine(device, shape, program, taken, inputs);
  if (tape != nullptr) {
    *tape = ScanTape::create(device, shape, program, options, engine.newtonSchulzIterateFloats());
    if (*tape == nullptr) {
      return Status(Code::kOutOfMemory, "Expected room for the scan's tape but got none");
    }
  }
  return Forward(engine, program, outputs, tape != nullptr ? tape->get() : nullptr).run();
}

}  // namespace fastweight
