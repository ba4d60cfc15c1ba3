// Kernels of sequence models on a device: attention, norms, rotary embedding.
#pragma once

namespace fastweight {

class SequenceKernels {
 public:
  virtual ~SequenceKernels() = default;
};

}  // namespace fastweight
