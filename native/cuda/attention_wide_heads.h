// Attention for heads wider than the tiles of attention_tiles.cuh hold.
#pragma once

#include "cuda/device_memory.h"
#include "cuda/stream.h"
#include "fastweight/sequence_kernels.h"

namespace fastweight::cuda {

/// The widest head that these serve: what a multiprocessor's shared memory holds.
constexpr int64_t kWidestHead = 2048;

/// In float32 whatever the precision.
Status attentionOfWideHeads(Stream& stream, const Attention& attention);
Status attentionBackwardOfWideHeads(Stream& stream, DeviceMemory& memory,
                                    const AttentionBackward& attention);

}  // namespace fastweight::cuda
