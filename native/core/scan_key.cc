#include "core/scan_key.h"

namespace fastweight {
namespace {

// What differs from layer to layer comes first, so that keys are told apart soon.

enum class Pass { kForward, kBackward };

template <typename Float>
void addSet(ReplayKey& key, const FastWeights<Float>& set) {
  key.add(set.w0, set.w1, set.w2);
}

/// Of outputs, their cotangents or gradients: those of the state that a scan leaves or begins with.
template <typename State>
void addState(ReplayKey& key, const State& state) {
  addSet(key, state.weights);
  addSet(key, state.mainWeights);
  addSet(key, state.momenta);
  addSet(key, state.norms);
}

void addInputs(ReplayKey& key, const ScanInputs& inputs) {
  for (const StoredFloats& each : {inputs.q, inputs.k, inputs.v}) {
    key.add(each.data, each.storage);
  }
  key.add(inputs.rates, inputs.momentum);
  addSet(key, inputs.weights);
  addSet(key, inputs.norms);
  addSet(key, inputs.mainWeights);
  addSet(key, inputs.momenta);
}

/// The tape's parts lie at offsets from its end that the rest of the key fixes.
void addTape(ReplayKey& key, const ScanTape* tape) {
  if (tape == nullptr) {
    key.add(false);
  } else {
    key.add(true, tape->finalLive(), tape->storesActivations(), tape->storesIterates());
  }
}

/// ScanOptions::memory acts by the tape alone, and scans of several ranks have no key.
void addOptions(ReplayKey& key, const ScanOptions& options) {
  key.add(options.weightNorm, options.detachNorm, options.newtonSchulzMethod, options.normEpsilon,
          options.newtonSchulzEpsilon);
  key.add(options.newtonSchulz.size());
  for (const NewtonSchulzStep& step : options.newtonSchulz) key.add(step.a, step.b, step.c);
}

void addProblem(ReplayKey& key, const ScanEngine& engine, const Program& program) {
  const ScanShape& shape = engine.shape;
  key.add(shape.rows, shape.tokens, shape.keyDim, shape.hiddenDim, shape.valueDim, engine.tile);
  addOptions(key, engine.options);
  key.add(program.size());
  for (const ProgramStep& step : program) key.add(step.kind, step.start, step.end);
}

}  // namespace

ReplayKey forwardKey(const ScanEngine& engine, const Program& program, const ScanOutputs& outputs,
                     const ScanTape* tape, const float* workspace) {
  ReplayKey key;
  key.add(Pass::kForward, workspace);
  addInputs(key, engine.inputs);
  key.add(outputs.output);
  addState(key, outputs);
  addTape(key, tape);
  addProblem(key, engine, program);
  return key;
}

ReplayKey backwardKey(const ScanEngine& engine, const Program& program, const ScanTape& tape,
                      const ScanCotangents& cotangents, const ScanGradients& gradients,
                      const float* workspace) {
  ReplayKey key;
  key.add(Pass::kBackward, workspace);
  addInputs(key, engine.inputs);
  key.add(cotangents.output);
  addState(key, cotangents);
  key.add(gradients.q, gradients.k, gradients.v, gradients.rates, gradients.momentum);
  addState(key, gradients);
  addTape(key, &tape);
  addProblem(key, engine, program);
  return key;
}

}  // namespace fastweight
