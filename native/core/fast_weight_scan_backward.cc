#include <algorithm>
#include <string>

#include "core/scan_key.h"

namespace fastweight {
namespace {

// Walks the program from its end. Three cotangents of the state are carried: of the live weights,
// of the main weights (WeightNorm::kPre) and of the momenta. With several ranks, the live
// cotangent is a part whose sum over ranks counts, the others are the same on each.
class Backward {
 public:
  Backward(const ScanEngine& engine, const Program& program, const ScanTape& tape,
           const ScanCotangents& cotangents, const ScanGradients& gradients)
      : engine_(engine),
        device_(engine.device),
        program_(program),
        tape_(tape),
        cotangents_(cotangents),
        gradients_(gradients),
        workspace_(device_, workspaceFloats()) {}

  Status run() {
    if (workspace_.isNull()) {
      return Status(Code::kOutOfMemory, "Expected room for the scan's backward workspace of " +
                                            std::to_string(workspaceFloats() * sizeof(float)) +
                                            " bytes but got none");
    }
    divideWorkspace();
    engine_.queue(
        backwardKey(engine_, program_, tape_, cotangents_, gradients_, workspace_.start()),
        [this] { pass(); });
    return device_.synchronize();
  }

 private:
  const ScanShape& shape() const { return engine_.shape; }

  /// Everything between the workspace and the gradients.
  void pass() {
    start();
    int64_t outputEnd = outputTokens(program_);
    current_ = engine_.set(tape_.finalLive());
    for (size_t index = program_.size(); index-- > 0;) {
      if (program_[index].kind == ProgramStep::Kind::kApply) {
        outputEnd -= program_[index].tokens();
        if (cotangents_.output != nullptr) applyBackward(index, outputEnd);
      } else {
        current_ = engine_.set(tape_.live(index));
        updateBackward(index);
      }
    }
    finish();
  }

  int64_t workspaceFloats() const {
    const int64_t set = Workspace::aligned(WeightSet::floats(shape()));
    const int64_t tileRows = shape().rows * engine_.tile;
    const int64_t sets = 2 + (engine_.hasMain() ? 1 : 0) + (engine_.hasMomentum() ? 1 : 0);
    return sets * set + 2 * Workspace::aligned(WeightSet::normRows(shape())) +
           2 * Workspace::aligned(shape().rows + 1) +
           2 * Workspace::aligned(tileRows * 2 * shape().hiddenDim) +
           2 * Workspace::aligned(tileRows * shape().hiddenDim) + newtonSchulzFloats();
  }

  bool recomputesIterates() const { return engine_.hasMuon() && !tape_.storesIterates(); }

  /// Without stored iterates, the largest part's increment, iterates and workspace.
  int64_t newtonSchulzFloats() const {
    if (!recomputesIterates()) return engine_.newtonSchulzBackwardFloats();
    int64_t most = 0;
    for (const NewtonSchulzPart& part : engine_.newtonSchulzParts()) {
      most = std::max(most, Workspace::aligned(part.floats()) +
                                Workspace::aligned(part.iteration.iterateFloats()) +
                                part.iteration.backwardFloats());
    }
    return most;
  }

  WeightSet takeSet() { return engine_.set(workspace_.take(WeightSet::floats(shape()))); }

  void zero(const WeightSet& set) {
    device_.zero(set.data(), static_cast<size_t>(set.count()) * sizeof(float));
  }

  void zeroGradient(float* gradient, int64_t count) {
    if (gradient != nullptr) device_.zero(gradient, static_cast<size_t>(count) * sizeof(float));
  }

  void divideWorkspace() {
    const int64_t tileRows = shape().rows * engine_.tile;
    const int64_t normRows = WeightSet::normRows(shape());
    liveCotangent_ = takeSet();
    stepCotangent_ = takeSet();
    mainCotangent_ = engine_.hasMain() ? takeSet() : stepCotangent_;
    momentumCotangent_ = engine_.hasMomentum() ? takeSet() : stepCotangent_;
    norms_ = workspace_.take(normRows);
    normsCotangent_ = workspace_.take(normRows);
    betas_ = workspace_.take(shape().rows + 1);
    betasCotangent_ = workspace_.take(shape().rows + 1);
    const auto tileOf = [&](int64_t columns) {
      return packed(workspace_.take(tileRows * columns), engine_.tile, columns);
    };
    gateUp_ = tileOf(2 * shape().hiddenDim);
    gateUpCotangent_ = tileOf(2 * shape().hiddenDim);
    dHidden_ = tileOf(shape().hiddenDim);
    dHiddenCotangent_ = tileOf(shape().hiddenDim);
    newtonSchulz_ = workspace_.take(newtonSchulzFloats());
  }

  void start() {
    if (engine_.hasNorms()) startNorms();
    gatherOrZero(cotangents_.weights, liveCotangent_);
    if (engine_.hasMain()) gatherOrZero(cotangents_.mainWeights, mainCotangent_);
    if (engine_.hasMomentum()) gatherOrZero(cotangents_.momenta, momentumCotangent_);
    const int64_t tokens = shape().rows * shape().tokens;
    zeroGradient(gradients_.q, tokens * shape().keyDim);
    zeroGradient(gradients_.k, tokens * shape().keyDim);
    zeroGradient(gradients_.v, tokens * shape().valueDim);
    zeroGradient(gradients_.rates, tokens * 3);
    zeroGradient(gradients_.momentum, tokens);
  }

  void startNorms() {
    if (engine_.inputs.norms) {
      engine_.gatherNorms(engine_.inputs.norms, norms_);
    } else {
      engine_.gather(engine_.inputs.weights, stepCotangent_);
      engine_.rowNorms(stepCotangent_, norms_);
    }
    if (cotangents_.norms) {
      engine_.gatherNorms(cotangents_.norms, normsCotangent_);
    } else {
      zeroNormsCotangent();
    }
  }

  void zeroNormsCotangent() {
    const int64_t rows = WeightSet::normRows(shape());
    device_.zero(normsCotangent_, static_cast<size_t>(rows) * sizeof(float));
  }

  void gatherOrZero(const FastWeights<const float>& from, const WeightSet& set) {
    if (from) {
      engine_.gather(from, set);
    } else {
      zero(set);
    }
  }

  WeightSet mainBefore(size_t index) const {
    return engine_.set(engine_.hasMain() ? tape_.main(index) : tape_.live(index));
  }

  /// [g | u] and dh of the tokens from `within` on, as the forward kept them.
  ConstMatrices keptGateUp(size_t index, int64_t within) const {
    return packed(static_cast<const float*>(tape_.gateUp(index)), program_[index].tokens(),
                  2 * shape().hiddenDim)
        .at(within);
  }
  ConstMatrices keptDHidden(size_t index, int64_t within) const {
    return packed(static_cast<const float*>(tape_.dHidden(index)), program_[index].tokens(),
                  shape().hiddenDim)
        .at(within);
  }

  /// The per-token products of `tokens` tokens into gateUp_ and dHidden_.
  SwigluGradient tileGradient(int64_t tokens, ConstMatrices k, ConstMatrices v) const {
    SwigluGradient gradient;
    gradient.batch = shape().rows;
    gradient.tokens = tokens;
    gradient.keyDim = shape().keyDim;
    gradient.valueDim = shape().valueDim;
    gradient.hiddenDim = shape().hiddenDim;
    gradient.k = k;
    gradient.v = v;
    gradient.w02 = current_.w02();
    gradient.w1 = current_.w1();
    gradient.gateUp = gateUp_;
    gradient.dHidden = dHidden_;
    return gradient;
  }

  /// Leaves the cotangent of [g | u] in gateUp_ and the hidden layer in dHidden_.
  void hiddenBackward(size_t index, int64_t start, int64_t tokens, ConstMatrices cotangent) {
    if (!tape_.storesActivations()) {
      device_.swigluGradient(tileGradient(tokens, engine_.q().at(start), cotangent));
      return;
    }
    device_.gemm(engine_.tokenProduct(tokens, shape().hiddenDim, shape().valueDim, cotangent,
                                      current_.w1(), false, dHidden_, 0));
    ScaleSwigluGradient scale;
    scale.batch = shape().rows;
    scale.tokens = tokens;
    scale.hiddenDim = shape().hiddenDim;
    scale.gateUp = keptGateUp(index, start - program_[index].start);
    scale.dHidden = dHidden_;
    scale.scaledGateUp = gateUp_;
    scale.scaledHidden = dHidden_;
    device_.scaleSwigluGradient(scale);
  }

  void applyBackward(size_t index, int64_t outputStart) {
    const ProgramStep& step = program_[index];
    const ConstMatrices outputCotangent =
        packed(cotangents_.output, outputTokens(program_), shape().valueDim).at(outputStart);
    const Matrices dq = packed(gradients_.q, shape().tokens, shape().keyDim);
    const int64_t hidden = shape().hiddenDim, key = shape().keyDim, value = shape().valueDim;
    engine_.forTiles(step, [&](int64_t start, int64_t tokens) {
      const ConstMatrices q = engine_.q().at(start);
      const ConstMatrices cotangent = outputCotangent.at(start - step.start);
      hiddenBackward(index, start, tokens, cotangent);
      device_.gemm(engine_.tokenProduct(tokens, key, 2 * hidden, gateUp_, current_.w02(), false,
                                        dq.at(start), 1));
      const Gemm weights[2] = {
          engine_.weightProduct(tokens, 2 * hidden, key, gateUp_, q, liveCotangent_.w02(), 1),
          engine_.weightProduct(tokens, value, hidden, cotangent, dHidden_, liveCotangent_.w1(),
                                1)};
      device_.gemms(2, weights);
    });
  }

  void updateBackward(size_t index) {
    if (engine_.ranks() > 1) {
      engine_.options.communicator->sum(liveCotangent_.count(), liveCotangent_.data());
    }
    if (recomputesIterates()) {
      for (const NewtonSchulzPart& part : engine_.newtonSchulzParts()) recomputeStep(index, part);
    } else {
      const float* added = engine_.hasMuon() ? tape_.increment(index) : tape_.step(index);
      for (const WeightRows& rows : engine_.allRows()) {
        stepBackward(index, rows, added + rows.offset);
      }
      if (engine_.hasMuon()) {
        engine_.newtonSchulzBackward(tape_.iterates(index), stepCotangent_, stepCotangent_,
                                     newtonSchulz_);
      }
    }
    if (engine_.ranks() > 1 && engine_.options.communicator->rank() > 0) zero(liveCotangent_);
    if (engine_.hasMomentum()) momentumBackward(index);
    descendBackward(index);
  }

  /// Newton-Schulz of a few matrices, its iterates computed again, and the backward of the step.
  void recomputeStep(size_t index, const NewtonSchulzPart& part) {
    float* increment = newtonSchulz_;
    float* iterates = increment + Workspace::aligned(part.floats());
    float* workspace = iterates + Workspace::aligned(part.iteration.iterateFloats());
    part.iteration.forwardKeeping(tape_.step(index) + part.rows.offset, increment, iterates);
    stepBackward(index, part.rows, increment);
    float* cotangent = stepCotangent_.data() + part.rows.offset;
    part.iteration.backward(iterates, cotangent, cotangent, workspace);
  }

  /// From the cotangent of the weights after the update, of which `increment` holds what was added
  /// to `rows`, to those of the increment (stepCotangent_) and of the weights before it.
  void stepBackward(size_t index, const WeightRows& rows, const float* increment) {
    const size_t bytes = static_cast<size_t>(rows.rows * rows.columns) * sizeof(float);
    float* liveCotangent = liveCotangent_.data() + rows.offset;
    float* stepCotangent = stepCotangent_.data() + rows.offset;
    if (!engine_.hasNorms()) {
      device_.copy(stepCotangent, liveCotangent, bytes);
      return;
    }
    const WeightSet& sum = engine_.hasMain() ? mainCotangent_ : liveCotangent_;
    RenormaliseBackward backward;
    backward.rows = rows.rows;
    backward.columns = rows.columns;
    backward.epsilon = engine_.options.normEpsilon;
    backward.accumulate = engine_.hasMain();
    backward.main = mainBefore(index).data() + rows.offset;
    backward.step = increment;
    backward.norms = norms_ + rows.normRow;
    backward.liveCotangent = liveCotangent;
    backward.sumCotangent = sum.data() + rows.offset;
    backward.normsCotangent = normsCotangent_ + rows.normRow;
    device_.renormaliseBackward(backward);
    device_.copy(stepCotangent, backward.sumCotangent, bytes);
    if (engine_.hasMain()) device_.zero(liveCotangent, bytes);
  }

  /// d = gradient + beta m: the momentum's cotangent joins d's, then both pass to what came before.
  void momentumBackward(size_t index) {
    const ProgramStep& step = program_[index];
    const int64_t row02 = 2 * shape().hiddenDim * shape().keyDim;
    const int64_t row1 = shape().valueDim * shape().hiddenDim;
    const WeightSet& d = stepCotangent_;
    device_.axpby(d.count(), 1, momentumCotangent_.data(), 1, d.data());
    const double tokens = engine_.meanMomentum(step, betas_);
    size_t earlier = index;
    while (earlier > 0 && program_[earlier - 1].kind != ProgramStep::Kind::kUpdate) --earlier;
    const bool starting = earlier == 0;
    if (!starting || engine_.inputs.momenta) {
      WeightSet before = momentumCotangent_;
      if (starting) {
        engine_.gather(engine_.inputs.momenta, before);
      } else {
        before = engine_.set(tape_.step(earlier - 1));
      }
      device_.zero(betasCotangent_, static_cast<size_t>(shape().rows) * sizeof(float));
      device_.dotRows(shape().rows, row02, d.data(), before.data(), betasCotangent_);
      device_.dotRows(shape().rows, row1, d.data1(), before.data1(), betasCotangent_);
      device_.addToRows(shape().rows, step.tokens(), shape().tokens,
                        static_cast<float>(1.0 / tokens), betasCotangent_,
                        gradients_.momentum + step.start);
    }
    device_.copy(momentumCotangent_.data(), d.data(),
                 static_cast<size_t>(d.count()) * sizeof(float));
    device_.scaleRows(shape().rows, row02, betas_, momentumCotangent_.data());
    device_.scaleRows(shape().rows, row1, betas_, momentumCotangent_.data1());
  }

  /// Through the gradient that the update took, by its tokens and its weights.
  void descendBackward(size_t index) {
    const ProgramStep& step = program_[index];
    const int64_t hidden = shape().hiddenDim, key = shape().keyDim, value = shape().valueDim;
    const Matrices dk = packed(gradients_.k, shape().tokens, key);
    const Matrices dv = packed(gradients_.v, shape().tokens, value);
    const Matrices dRates = packed(gradients_.rates, shape().tokens, int64_t{3});
    const WeightSet& d = stepCotangent_;
    engine_.forTiles(step, [&](int64_t start, int64_t tokens) {
      const ConstMatrices k = engine_.k().at(start), v = engine_.v().at(start);
      SwigluGradientBackward backward;
      backward.batch = shape().rows;
      backward.tokens = tokens;
      backward.keyDim = key;
      backward.valueDim = value;
      backward.hiddenDim = hidden;
      backward.k = k;
      backward.v = v;
      backward.w02 = current_.w02();
      backward.w1 = current_.w1();
      backward.d02 = d.w02();
      backward.d1 = d.w1();
      backward.rates = engine_.rates().at(start);
      if (tape_.storesActivations()) {
        backward.gateUp = keptGateUp(index, start - step.start);
        backward.dHidden = keptDHidden(index, start - step.start);
      }
      backward.scaledGateUp = gateUp_;
      backward.scaledHidden = dHidden_;
      backward.gateUpCotangent = gateUpCotangent_;
      backward.dHiddenCotangent = dHiddenCotangent_;
      backward.ratesCotangent = dRates.at(start);
      device_.swigluGradientBackward(backward);
      Gemm keys =
          engine_.tokenProduct(tokens, key, 2 * hidden, gateUp_, d.w02(), false, dk.at(start), 1);
      keys.a2 = gateUpCotangent_;
      keys.b2 = current_.w02();
      device_.gemm(keys);
      Gemm values =
          engine_.tokenProduct(tokens, value, hidden, dHidden_, d.w1(), true, dv.at(start), 1);
      values.a2 = dHiddenCotangent_;
      values.b2 = current_.w1();
      device_.gemm(values);
      const Gemm weights[2] = {engine_.weightProduct(tokens, 2 * hidden, key, gateUpCotangent_, k,
                                                     liveCotangent_.w02(), 1),
                               engine_.weightProduct(tokens, value, hidden, v, dHiddenCotangent_,
                                                     liveCotangent_.w1(), 1)};
      device_.gemms(2, weights);
    });
  }

  /// The initial weights are the first live weights and, where the scan did not have others, the
  /// first main weights and what the norms are of.
  void finish() {
    if (engine_.ranks() > 1) {
      engine_.options.communicator->sum(liveCotangent_.count(), liveCotangent_.data());
    }
    if (gradients_.mainWeights) {
      engine_.scatter(mainCotangent_, gradients_.mainWeights);
    } else if (engine_.hasMain()) {
      device_.axpby(liveCotangent_.count(), 1, mainCotangent_.data(), 1, liveCotangent_.data());
    }
    if (gradients_.momenta) engine_.scatter(momentumCotangent_, gradients_.momenta);
    if (engine_.hasNorms()) finishNorms();
    engine_.scatter(liveCotangent_, gradients_.weights);
  }

  void finishNorms() {
    if (engine_.options.detachNorm) zeroNormsCotangent();
    if (gradients_.norms) {
      engine_.scatterNorms(normsCotangent_, gradients_.norms);
    } else if (!engine_.options.detachNorm) {
      const int64_t rows02 = WeightSet::normRows02(shape());
      engine_.gather(engine_.inputs.weights, stepCotangent_);
      device_.rowNormsBackward(rows02, shape().keyDim, stepCotangent_.data(), norms_,
                               normsCotangent_, liveCotangent_.data());
      device_.rowNormsBackward(shape().rows * shape().valueDim, shape().hiddenDim,
                               stepCotangent_.data1(), norms_ + rows02, normsCotangent_ + rows02,
                               liveCotangent_.data1());
    }
  }

  const ScanEngine& engine_;
  Device& device_;
  const Program& program_;
  const ScanTape& tape_;
  const ScanCotangents& cotangents_;
  const ScanGradients& gradients_;
  Workspace workspace_;
  WeightSet current_{engine_.shape, nullptr}, liveCotangent_ = current_, mainCotangent_ = current_,
                                              momentumCotangent_ = current_,
                                              stepCotangent_ = current_;
  float *norms_ = nullptr, *normsCotangent_ = nullptr, *betas_ = nullptr,
        *betasCotangent_ = nullptr, *newtonSchulz_ = nullptr;
  Matrices gateUp_, gateUpCotangent_, dHidden_, dHiddenCotangent_;
};

}  // namespace

Status fastWeightScanBackward(Device& device, const ScanShape& shape, const Program& program,
                              const ScanOptions& options, const ScanInputs& inputs,
                              const ScanTape& tape, const ScanCotangents& cotangents,
                              const ScanGradients& gradients) {
  FASTWEIGHT_RETURN_IF_ERROR(validateProgram(program, shape.tokens));
  const ScanEngine engine(device, shape, program, options, inputs);
  return Backward(engine, program, tape, cotangents, gradients).run();
}

}  // namespace fastweight
