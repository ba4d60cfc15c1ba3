// Copies to shared memory that a thread has started and not yet waited for.
#pragma once

#include <cstddef>

namespace cuda_emulation {

/// `from` null means zeros.
void startCopy(void* to, const void* from, size_t bytes);
void endCopies();
/// Carries out all of the running thread's groups but the last `later`.
void waitForCopies(size_t later);
/// Whether the running thread has copies that it did not wait for.
bool hasPendingCopies();

}  // namespace cuda_emulation
