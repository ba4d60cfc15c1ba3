// Kernels of the tfjs backend on a device: elementwise, reductions, data movement.
#pragma once

namespace fastweight {

class TensorKernels {
 public:
  virtual ~TensorKernels() = default;
};

}  // namespace fastweight
