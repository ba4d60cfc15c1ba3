// The boundary between the device-independent core and a machine: memory, and the primitives that
// algorithms are written in. cpu/ and cuda/ implement it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "fastweight/convolution.h"
#include "fastweight/fast_weight_primitives.h"
#include "fastweight/optimizer_kernels.h"
#include "fastweight/random_kernels.h"
#include "fastweight/replay_key.h"
#include "fastweight/sequence_kernels.h"
#include "fastweight/status.h"
#include "fastweight/storage.h"
#include "fastweight/tensor_kernels.h"

namespace fastweight {

/// What float32 matrix products may round their inputs to. Sums are float32 always.
enum class MatmulPrecision { kFloat32, kTf32, kBfloat16 };

/// A point in a device's queue.
class Marker {
 public:
  virtual ~Marker() = default;
  /// Waits until the device came by. From any thread.
  virtual Status wait() = 0;
  /// From `earlier` of the same device to this one; wait() was called on both.
  virtual double millisecondsSince(const Marker& earlier) const = 0;
};

/// A copy to the host that is under way. Belongs to the device's thread, as all but wait() does.
class HostRead {
 public:
  virtual ~HostRead() = default;
  /// Waits for the copy, and nothing that is queued behind it. From any thread.
  virtual Status wait() = 0;
  /// What was read; wait() was called.
  virtual const void* data() const = 0;
};

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
  /// Queues a copy to the host and returns at once; what is queued later changes nothing of it.
  /// Null where there is no memory for it, or where a device has no queue: copyToHost() does it
  /// then.
  virtual std::unique_ptr<HostRead> startRead(const void* device, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void zero(void* memory, size_t bytes) = 0;

  /// Whether tensors may be stored as bfloat16; only then are the next two called.
  virtual bool storesBfloat16() const { return false; }
  /// Whether the operands of products, but for addends, may lie as bfloat16 now: those of gemm()
  /// and of all that it stands for, q, k and v of a scan among them.
  virtual bool productsReadBfloat16() const { return false; }
  /// y [count], stored as bfloat16, = x rounded to the nearest, ties to even.
  virtual void roundToBfloat16(int64_t /*count*/, const float* /*x*/, void* /*y*/) {}
  /// y [count] = x, which is stored as bfloat16.
  virtual void widenBfloat16(int64_t /*count*/, const void* /*x*/, float* /*y*/) {}

  /// Queues what `work` queues. A device may keep that under `key` and queue it again in one go
  /// when the key comes again, without calling `work`; or call it more than once. So `work` starts
  /// from its beginning each time, does nothing but call primitives that do not wait and copies
  /// within the device's memory, and what it queues depends on the key alone: every size, number
  /// and address of it.
  virtual void queueReplayable(const ReplayKey& /*key*/, const std::function<void()>& work) {
    work();
  }

  /// Waits for what is queued; the first failure of a queued primitive since the last call.
  virtual Status synchronize() = 0;
  /// The end of what is queued now. Null where the device fails.
  virtual std::unique_ptr<Marker> mark() = 0;

  /// Of all products from now on. ERR_ARGUMENT where the device does not compute so.
  virtual Status setMatmulPrecision(MatmulPrecision precision) = 0;
};

/// The CPU device. Always works.
std::unique_ptr<Device> createCpuDevice();

}  // namespace fastweight
