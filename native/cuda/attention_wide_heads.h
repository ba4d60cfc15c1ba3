// Attention for heads wider than the tiles of attention_tiles.cuh hold, and for those whose tiles
// need more shared memory than the GPU has (compute capability 8.6 and 8.9).
#pragma once

#include "cuda/device_memory.h"
#include "cuda/stream.h"
#include "fastweight/sequence_kernels.h"

namespace fastweight::cuda {

/// In float32 whatever the precision. ERR_SHAPE for heads that shared memory does not hold.
Status attentionOfWideHeads(Stream& stream, const Attention& attention);
Status attentionBackwardOfWideHeads(Stream& stream, DeviceMemory& memory,
                                    const AttentionBackward& attention);

}  // namespace fastweight::cuda
