// Memory that each thread keeps between calls.
#pragma once

#include <cstdint>

namespace fastweight::cpu {

/// The users of a thread's memory, so that none takes what another one holds.
enum class ScratchUse { kPanels, kTiles };

/// At least `floats` floats for this thread, aligned to 64 bytes and not initialised; null when
/// there is no memory. They stay valid until the thread's next call for the same use, and go when
/// the thread ends.
float* threadScratch(ScratchUse use, int64_t floats);

}  // namespace fastweight::cpu
