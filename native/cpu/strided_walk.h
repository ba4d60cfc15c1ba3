// Walking two strided arrays beside a packed one.
#pragma once

#include "fastweight/strided_pair.h"

namespace fastweight::cpu {

/// Where the two arrays stand, while the walk goes through the first `axes` axes of a layout.
class StridedWalk {
 public:
  StridedWalk(const StridedPair& layout, int axes, int64_t start) : layout_(layout), axes_(axes) {
    for (int axis = axes - 1; axis >= 0; --axis) {
      index_[axis] = start % layout.sizes[axis];
      start /= layout.sizes[axis];
      first += index_[axis] * layout.firstStrides[axis];
      second += index_[axis] * layout.secondStrides[axis];
    }
  }

  void next() {
    for (int axis = axes_ - 1; axis >= 0; --axis) {
      first += layout_.firstStrides[axis];
      second += layout_.secondStrides[axis];
      if (++index_[axis] < layout_.sizes[axis]) return;
      first -= layout_.firstStrides[axis] * layout_.sizes[axis];
      second -= layout_.secondStrides[axis] * layout_.sizes[axis];
      index_[axis] = 0;
    }
  }

  int64_t first = 0, second = 0;

 private:
  const StridedPair& layout_;
  int axes_;
  int64_t index_[StridedPair::kMaxRank] = {};
};

}  // namespace fastweight::cpu
