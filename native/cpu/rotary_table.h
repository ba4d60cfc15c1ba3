// Cosines and sines of the rotary position embedding, computed in double precision.
#pragma once

#include <cstdint>
#include <memory>

#include "cpu/scratch.h"

namespace fastweight::cpu {

/// Pair i of `pairs` of position offset + t, t < tokens, turns by
/// (offset + t) * base^(-i / pairs) radians.
struct RotaryAngles {
  double base;
  int64_t offset, tokens, pairs;
};

class RotaryTable {
 public:
  RotaryTable(const RotaryAngles& angles, Scratch values);
  /// [tokens, pairs]
  const float* cosines() const { return values_.get(); }
  const float* sines() const { return values_.get() + angles_.tokens * angles_.pairs; }
  const RotaryAngles& angles() const { return angles_; }

 private:
  RotaryAngles angles_;
  Scratch values_;
};

/// The table of these angles; the one asked for last is kept. Null when there is no memory left.
std::shared_ptr<const RotaryTable> rotaryTable(const RotaryAngles& angles);

}  // namespace fastweight::cpu
