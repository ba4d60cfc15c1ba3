// What every device does with the layout of a strided walk before it starts.
#pragma once

#include "fastweight/tensor_kernels.h"

namespace fastweight {

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

/// Product of the first `axes` sizes.
inline int64_t countOf(const StridedPair& layout, int axes) {
  int64_t count = 1;
  for (int axis = 0; axis < axes; ++axis) count *= layout.sizes[axis];
  return count;
}

}  // namespace fastweight
