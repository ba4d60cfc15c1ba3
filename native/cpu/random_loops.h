// Loops over groups of random numbers (philox.h), compiled once per instruction set.
#pragma once

#include <cstdint>

namespace fastweight::cpu {

/// Each fills `groups` groups of kRandomGroup floats, of which the first is group `first`.
struct RandomLoops {
  /// low + (high - low) u, or low where that rounds to high.
  void (*uniform)(uint64_t seed, int64_t first, int64_t groups, float low, float high, float* y);
  void (*normal)(uint64_t seed, int64_t first, int64_t groups, float mean, float deviation,
                 float* y);
  /// scale where the word is at least `threshold`, else 0.
  void (*mask)(uint64_t seed, int64_t first, int64_t groups, uint32_t threshold, float scale,
               float* y);
};

/// Null where the compiler's target has no such instructions.
const RandomLoops* randomLoopsPortable();
const RandomLoops* randomLoopsAvx2();
const RandomLoops* randomLoopsAvx512();

/// The set in use; see cpu_features.h.
const RandomLoops& randomLoops();

}  // namespace fastweight::cpu
