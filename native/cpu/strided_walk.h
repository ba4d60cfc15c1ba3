// Walking two strided arrays beside a packed one.
#pragma once

#include "fastweight/tensor_kernels.h"

namespace fastweight::cpu {

/// The same walk over as few axes as do: axes of size 1 are dropped, neighbours that both arrays
/// cross in one stride are merged. At least one axis is left.
inline StridedPair merged(const StridedPair& layout) {
  StridedPair out;
  for (int axis = 0; axis < layout.rank; ++axis) {
    const int64_t size = layout.sizes[axis];
    if (size == 1) continue;
    const int last = out.rank - 1;
    if (last >= 0 && out.firstStrides[last] == layout.firstStrides[axis] * size &&
        out.secondStrides[last] == layout.secondStrides[axis] * size) {
      out.sizes[last] *= size;
    } else {
      out.sizes[out.rank++] = size;
    }
    out.firstStrides[out.rank - 1] = layout.firstStrides[axis];
    out.secondStrides[out.rank - 1] = layout.secondStrides[axis];
  }
  if (out.rank == 0) out.sizes[out.rank++] = 1;
  return out;
}

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

/// Product of the first `axes` sizes.
inline int64_t countOf(const StridedPair& layout, int axes) {
  int64_t count = 1;
  for (int axis = 0; axis < axes; ++axis) count *= layout.sizes[axis];
  return count;
}

}  // namespace fastweight::cpu
