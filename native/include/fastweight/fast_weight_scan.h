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

struct ScanOptions {
  WeightNorm weightNorm = WeightNorm::kPost;
  /// Whether the initial weights' row norms carry no gradient.
  bool detachNorm = false;
  /// Muon's schedule; empty for plain gradient steps.
  NewtonSchulzSchedule newtonSchulz;
  float normEpsilon = 1e-5f;
  float newtonSchulzEpsilon = 1e-7f;
  /// Sums updates over ranks; null for one rank.
  Communicator* communicator = nullptr;
};

/// A set of fast weights, or of their gradients or momenta.
/// w0, w2 [rows, hiddenDim, keyDim], w1 [rows, valueDim, hiddenDim].
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
  /// of w0, w1, w2), momentum [rows, tokens] or null.
  const float* q = nullptr;
  const float* k = nullptr;
  const float* v = nullptr;
  const float* rates = nullptr;
  const float* momentum = nullptr;
  /// Where a scan goes on from an earlier one's state: the weights that carry the row norms to
  /// renormalise to (the very first ones), the main weights of WeightNorm::kPre, and the momenta.
  /// Each absent set is `weights`, `weights`, zero.
  FastWeights<const float> normWeights, mainWeights, momenta;
};

/// Absent sets are not written.
struct ScanOutputs {
  /// [rows, outputTokens(program), valueDim]
  float* output = nullptr;
  FastWeights<float> weights, mainWeights, momenta;
};

/// Cotangents of outputs; an absent one is zero.
struct ScanCotangents {
  const float* output = nullptr;
  FastWeights<const float> weights;
};

/// Gradients of inputs, each overwritten. `momentum` may be null where the scan had none.
/// The weights' gradient takes them as their own `normWeights` and `mainWeights`, as in a scan that
/// starts from them.
struct ScanGradients {
  FastWeights<float> weights;
  float* q = nullptr;
  float* k = nullptr;
  float* v = nullptr;
  float* rates = nullptr;
  float* momentum = nullptr;
};

/// What a forward keeps for its backward: per update, the weights before it (and the main weights
/// of WeightNorm::kPre) and its step before Newton-Schulz. Grows with updates x weights, not with
/// tokens.
class ScanTape : public Attachment {
 public:
  /// Null where the device has no room.
  static std::unique_ptr<ScanTape> create(Device& device, const ScanShape& shape,
                                          const ScanOptions& options, int64_t updates);
  ~ScanTape() override;
  size_t bytes() const override { return bytes_; }

  float* live(int64_t update) const { return slot(update); }
  float* main(int64_t update) const { return slot(update) + (sets_ - 2) * setFloats_; }
  float* step(int64_t update) const { return slot(update) + (sets_ - 1) * setFloats_; }

 private:
  ScanTape(Device& device, float* memory, size_t bytes, int64_t sets, int64_t setFloats)
      : device_(device), memory_(memory), bytes_(bytes), sets_(sets), setFloats_(setFloats) {}
  float* slot(int64_t update) const { return memory_ + update * sets_ * setFloats_; }

  Device& device_;
  float* memory_;
  size_t bytes_;
  int64_t sets_;
  int64_t setFloats_;
};

/// Runs `program`; writes `outputs`. With `tape` not null, keeps there what the backward needs.
/// ERR_PROGRAM and ERR_RANGE for a wrong program, ERR_NON_FINITE for step sizes or momentum that
/// are not finite (nothing was written) and for weights that became so, ERR_OUT_OF_MEMORY.
/// Source: "Test-Time Training Done Right" (arXiv 2505.23884), section 3.
Status fastWeightScan(Device& device, const ScanShape& shape, const Program& program,
                      const ScanOptions& options, const ScanInputs& inputs,
                      const ScanOutputs& outputs, std::unique_ptr<ScanTape>* tape);

/// The gradients of sum(cotangent * output) for every input. `inputs` as the forward had them.
Status fastWeightScanBackward(Device& device, const ScanShape& shape, const Program& program,
                              const ScanOptions& options, const ScanInputs& inputs,
                              const ScanTape& tape, const ScanCotangents& cotangents,
                              const ScanGradients& gradients);

}  // namespace fastweight
