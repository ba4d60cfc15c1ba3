// The boundary between the device-independent core and a machine: memory, and the primitives that
// algorithms are written in. cpu/ and cuda/ implement it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "fastweight/convolution.h"
#include "fastweight/fast_weight_primitives.h"
#include "fastweight/optimizer_kernels.h"
#include "fastweight/random_kernels.h"
#include "fastweight/sequence_kernels.h"
#include "fastweight/status.h"
#include "fastweight/tensor_kernels.h"

namespace fastweight {

class Device : public FastWeightPrimitives,
               public TensorKernels,
               public SequenceKernels,
               public OptimizerKernels,
               public RandomKernels,
               public ConvolutionKernels {
 public:
  /// "cpu" or "cuda".
  virtual const char* name() const = 0;

  /// Device memory of `bytes` bytes, aligned to 64, not initialised; the caller owns it and gives
  /// it to release(). Null when there is none left.
  virtual void* allocate(size_t bytes) = 0;
  /// Gives back what allocate() returned; `bytes` as asked for there. Null is ignored.
  virtual void release(void* memory, size_t bytes) = 0;

  /// The most bytes in use at a time, workspaces included, since the last resetPeakBytes().
  virtual size_t peakBytes() const = 0;
  virtual void resetPeakBytes() = 0;

  virtual void copyFromHost(void* device, const void* host, size_t bytes) = 0;
  /// Waits for what is queued.
  virtual void copyToHost(void* host, const void* device, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void zero(void* memory, size_t bytes) = 0;

  /// Waits for what is queued; the first failure of a queued primitive since the last call.
  virtual Status synchronize() = 0;
};

/// The CPU device. Always works.
std::unique_ptr<Device> createCpuDevice();

}  // namespace fastweight
