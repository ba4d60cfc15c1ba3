// Whether our own products are right on a GPU, before anything relies on them.
#pragma once

#include "fastweight/status.h"

namespace fastweight::cuda {

/// Multiplies small whole numbers, whose sums are exact, on GPU `index` by every layout of operands
/// that TileProducts has. ERR_INTERNAL with what differs; ok where the GPU has no such products.
Status checkTileProducts(int index);

}  // namespace fastweight::cuda
