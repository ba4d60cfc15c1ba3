// A step of the Muon optimizer (Jordan et al., "Muon: An optimizer for hidden layers in neural
// networks", 2024).
#pragma once

#include <cstdint>
#include <vector>

#include "fastweight/newton_schulz.h"

namespace fastweight {

struct MuonStep {
  float learningRate = 0;
  /// Share of the average of gradients that a step keeps.
  double momentum = 0.95;
  bool nesterov = true;
  /// Share of a variable that stays: 1 - learningRate * decay.
  float kept = 1;
  NewtonSchulzSchedule newtonSchulz;
};

/// A variable that is a batch of matrices [batch, rows, columns]. The variable and the average of
/// its gradients are updated in place.
struct MuonTensor {
  NewtonSchulzMatrices matrices;
  /// Factor of this variable's orthogonalised update.
  float scale = 1;
  float* variable = nullptr;
  const float* gradient = nullptr;
  float* average = nullptr;
};

/// variable <- kept variable - learningRate scale NewtonSchulz(direction), with the direction of
/// MuonMomentum. Matrices of one shape, either way up, go through Newton-Schulz together.
/// ERR_OUT_OF_MEMORY, before anything is changed, where there is no workspace.
Status muonStep(Device& device, const MuonStep& step, std::vector<MuonTensor> tensors);

}  // namespace fastweight
