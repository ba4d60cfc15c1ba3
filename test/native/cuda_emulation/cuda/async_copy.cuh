// The emulation's stand-in for native/cuda/async_copy.cuh: what is copied arrives at the wait, and
// until then the target reads as NaN.
#pragma once

#include "cuda_emulation/pending_copies.h"

namespace fastweight::cuda {

inline void copyAsync(void* shared, const void* from, bool valid) {
  cuda_emulation::startCopy(shared, valid ? from : nullptr, 16);
}
inline void endCopies() { cuda_emulation::endCopies(); }
template <int later>
void waitForCopies() {
  cuda_emulation::waitForCopies(later);
}

}  // namespace fastweight::cuda
