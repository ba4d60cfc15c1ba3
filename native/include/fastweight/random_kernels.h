// Random numbers on a device (philox.h): a value depends on the seed and its position alone, so
// results are bitwise the same from run to run and for any number of threads.
#pragma once

#include <cstdint>

namespace fastweight {

class RandomKernels {
 public:
  virtual ~RandomKernels() = default;

  /// y [count] uniform in [low, high).
  virtual void randomUniform(uint64_t seed, int64_t count, float low, float high, float* y) = 0;
  /// y [count] normal.
  virtual void randomNormal(uint64_t seed, int64_t count, float mean, float deviation,
                            float* y) = 0;
  /// y = x / (1 - rate) where the element's random number is at least `rate`, else 0. [count]; y
  /// may be x. 0 <= rate < 1.
  virtual void dropout(uint64_t seed, int64_t count, double rate, const float* x, float* y) = 0;
};

}  // namespace fastweight
