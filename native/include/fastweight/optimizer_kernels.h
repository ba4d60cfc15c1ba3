// The memory-bound passes of optimizers on a device. All pointers are device memory; tensors of one
// call do not overlap. Sums run in a fixed order, so results are bitwise the same from run to run
// and for any number of threads.
#pragma once

#include <cstdint>

#include "fastweight/status.h"

namespace fastweight {

/// The coefficients of one AdamW step, bias corrections at step t included:
///     first <- beta1 first + (1 - beta1) gradient
///     second <- beta2 second + (1 - beta2) gradient^2
///     variable <- kept variable - rate first / (sqrt(second / secondCorrection) + epsilon)
/// with kept = 1 - learningRate decay, rate = learningRate / (1 - beta1^t), and
/// secondCorrection = 1 - beta2^t.
struct AdamWStep {
  float beta1 = 0, oneMinusBeta1 = 1, beta2 = 0, oneMinusBeta2 = 1;
  float epsilon = 0, kept = 1, rate = 0, secondCorrection = 1;
};

/// A variable and its moments, all [count]; all but the gradient are updated in place.
struct AdamWTensor {
  int64_t count = 0;
  float* variable = nullptr;
  const float* gradient = nullptr;
  float* first = nullptr;
  float* second = nullptr;
};

/// Muon's momentum: average <- momentum average + (1 - momentum) gradient, and
/// direction = average or, where `nesterov` is set, momentum average + (1 - momentum) gradient.
/// All [count].
struct MuonMomentum {
  int64_t count = 0;
  float momentum = 0, oneMinusMomentum = 1;
  bool nesterov = true;
  const float* gradient = nullptr;
  float* average = nullptr;
  float* direction = nullptr;
};

/// A list of floats for a sum over several tensors.
struct FloatsView {
  int64_t count = 0;
  const float* data = nullptr;
};

class OptimizerKernels {
 public:
  virtual ~OptimizerKernels() = default;

  /// One step for `tensors` variables at once.
  virtual void adamW(const AdamWStep& step, int64_t tensors, const AdamWTensor* tensor) = 0;
  virtual void muonMomentum(const MuonMomentum&) = 0;
  /// norm [1] = sqrt of the sum of squares over all elements of all tensors. ERR_OUT_OF_MEMORY,
  /// before anything is written.
  virtual Status globalNorm(int64_t tensors, const FloatsView* tensor, float* norm) = 0;
};

}  // namespace fastweight
