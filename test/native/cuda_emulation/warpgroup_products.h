// Products that a thread of a warpgroup has started and not yet waited for.
#pragma once

#include <cstdint>

#include "cuda_emulation/threads.h"

namespace cuda_emulation {

/// The thread's part of sums [64, 128] (+)= a [64, 16] b [16, 128], operands by descriptors.
struct WarpgroupProduct {
  float* sums;
  uint64_t a, b;
  bool isFloat16, aDepthwise, bDepthwise, adds;
};

void startProduct(const WarpgroupProduct& product);
void endProducts();
/// Carries out all of the running thread's groups but the last `later`.
void waitForProducts(size_t later);

}  // namespace cuda_emulation
