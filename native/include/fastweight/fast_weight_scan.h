// The fast-weight scan: runs a program of updates and applies, and its backward.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "fastweight/communicator.h"
#include "fastweight/device.h"
#include "fastweight/newton_schulz.h"
#include "fastweight/program.h"
#include "fastweight/tensor_table.h"

namespace fastweight {

/// A row is one (batch, head) with its own fast network f(x) = w1 (silu(w0 x) * (w2 x)).
struct ScanShape {
  int64_t rows = 0, tokens = 0, keyDim = 0, hiddenDim = 0, valueDim = 0;
};

enum class WeightNorm { kPost, kPre, kNone };

/// What a forward leaves to its backward: everything that it computed; the tokens' activations
/// without the Newton-Schulz iterates; or the weights alone. The backward computes the rest again,
/// iterates a few matrices at a time. kAuto takes the first of these for which the device's limit
/// has room. (Of n x n matrices, n / 3 flops are spared by a byte of iterates, n / 2 by a byte of
/// activations.)
enum class ScanMemory { kAuto, kStore, kActivations, kRecompute };

struct ScanOptions {
  WeightNorm weightNorm = WeightNorm::kPost;
  /// Whether the initial weights' row norms carry no gradient.
  bool detachNorm = false;
  /// Muon's schedule; empty for plain gradient steps.
  NewtonSchulzSchedule newtonSchulz;
  NewtonSchulzMethod newtonSchulzMethod = NewtonSchulzMethod::kStandard;
  float normEpsilon = 1e-5f;
  float newtonSchulzEpsilon = 1e-7f;
  ScanMemory memory = ScanMemory::kAuto;
  /// Sums updates over ranks; null for one rank.
  Communicator* communicator = nullptr;
};

/// A set of fast weights, or of their gradients or momenta: w0, w2 [rows, hiddenDim, keyDim],
/// w1 [rows, valueDim, hiddenDim]. Of row norms: w0, w2 [rows, hiddenDim], w1 [rows, valueDim].
template <typename Float>
struct FastWeights {
  Float* w0 = nullptr;
  Float* w1 = nullptr;
  Float* w2 = nullptr;

  explicit operator bool() const { return w0 != nullptr; }
};

struct ScanInputs {
  /// The weights that f uses first.
  FastWeights<const float> weights;
  /// q, k [rows, tokens, keyDim], v [rows, tokens, valueDim], rates [rows, tokens, 3] (step sizes
  /// of w0, w1, w2), momentum [rows, tokens] or null. q may be null where the program has no apply;
  /// k, v and rates where it has no update. q, k and v may lie as bfloat16 where products read it.
  StoredFloats q, k, v;
  const float* rates = nullptr;
  const float* momentum = nullptr;
  /// Where a scan goes on from an earlier one's state: the row norms to renormalise to, the main
  /// weights of WeightNorm::kPre, and the momenta (with `momentum`). An absent set is the row norms
  /// of `weights`, `weights`, zero.
  FastWeights<const float> norms, mainWeights, momenta;
};

/// Absent sets are not written.
struct ScanOutputs {
  /// [rows, outputTokens(program), valueDim]
  float* output = nullptr;
  FastWeights<float> weights, mainWeights, momenta;
  /// The row norms renormalised to; not with WeightNorm::kNone.
  FastWeights<float> norms;
};

/// Cotangents of outputs; an absent one is zero.
struct ScanCotangents {
  const float* output = nullptr;
  FastWeights<const float> weights, mainWeights, momenta, norms;
};

/// Gradients of inputs, each overwritten; null for an input that the scan did not have. Where norms
/// or main weights were absent, the weights' gradient goes through them as what they stood for.
struct ScanGradients {
  FastWeights<float> weights, mainWeights, momenta, norms;
  float* q = nullptr;
  float* k = nullptr;
  float* v = nullptr;
  float* rates = nullptr;
  float* momentum = nullptr;
};

/// What a forward leaves to its backward. Of each update, the weights before it (and the main
/// weights of WeightNorm::kPre) and its step before Newton-Schulz, and of all the final weights:
/// this grows with updates x weights, not with tokens. Where there is room, also the tokens'
/// activations, and what each update added with its Newton-Schulz iterates; see ScanMemory.
class ScanTape : public Attachment {
 public:
  /// Null where the device has no room. `newtonSchulzFloats`: an update's iterates.
  static std::unique_ptr<ScanTape> create(Device& device, const ScanShape& shape,
                                          const Program& program, const ScanOptions& options,
                                          int64_t newtonSchulzFloats);
  ~ScanTape() override;
  size_t bytes() const override { return static_cast<size_t>(floats_) * sizeof(float); }

  /// Of step `index` of the program, an update: weight sets of the scan's layout.
  float* live(size_t index) const { return memory_ + steps_[index].live; }
  float* main(size_t index) const { return memory_ + steps_[index].main; }
  float* step(size_t index) const { return memory_ + steps_[index].step; }
  float* finalLive() const { return memory_ + finalLive_; }

  bool storesActivations() const { return storesActivations_; }
  bool storesIterates() const { return storesIterates_; }
  /// Where iterates are stored, what an update added and its Newton-Schulz iterates.
  float* increment(size_t index) const { return memory_ + steps_[index].increment; }
  float* iterates(size_t index) const { return memory_ + steps_[index].iterates; }
  /// Where activations are stored, [g | u] [rows, tokens, 2 hiddenDim] of every step and dh [rows,
  /// tokens, hiddenDim] of an update.
  float* gateUp(size_t index) const { return memory_ + steps_[index].gateUp; }
  float* dHidden(size_t index) const { return memory_ + steps_[index].dHidden; }

 private:
  /// Offsets of a step's parts, in floats.
  struct Step {
    int64_t live = 0, main = 0, step = 0, increment = 0, iterates = 0, gateUp = 0, dHidden = 0;
  };

  explicit ScanTape(Device& device) : device_(device) {}
  void plan(const ScanShape& shape, const Program& program, const ScanOptions& options,
            int64_t newtonSchulzFloats);
  bool allocate();

  Device& device_;
  std::vector<Step> steps_;
  bool storesActivations_ = false, storesIterates_ = false;
  int64_t finalLive_ = 0, floats_ = 0;
  float* memory_ = nullptr;
};

/// Runs `program`; writes `outputs`. With `tape` not null, keeps there what the backward needs.
/// ERR_PROGRAM and ERR_RANGE for a wrong program, ERR_NON_FINITE for step sizes or momentum that
/// are not finite (nothing was written) and for weights that became so (all was),
/// ERR_OUT_OF_MEMORY. Source: "Test-Time Training Done Right" (arXiv 2505.23884), section 3.
Status fastWeightScan(Device& device, const ScanShape& shape, const Program& program,
                      const ScanOptions& options, const ScanInputs& inputs,
                      const ScanOutputs& outputs, std::unique_ptr<ScanTape>* tape);

/// The gradients of sum(cotangent * output) for every input. `inputs` as the forward had them.
Status fastWeightScanBackward(Device& device, const ScanShape& shape, const Program& program,
                              const ScanOptions& options, const ScanInputs& inputs,
                              const ScanTape& tape, const ScanCotangents& cotangents,
                              const ScanGradients& gradients);

}  // namespace fastweight
