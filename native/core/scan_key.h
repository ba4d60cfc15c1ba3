// The keys under which a device may keep a scan's passes and queue them again.
#pragma once

#include "core/scan_state.h"
#include "fastweight/replay_key.h"

namespace fastweight {

/// Of a forward with these arguments and its workspace. `tape` may be null.
ReplayKey forwardKey(const ScanEngine& engine, const Program& program, const ScanOutputs& outputs,
                     const ScanTape* tape, const float* workspace);

/// Of a backward with these arguments and its workspace.
ReplayKey backwardKey(const ScanEngine& engine, const Program& program, const ScanTape& tape,
                      const ScanCotangents& cotangents, const ScanGradients& gradients,
                      const float* workspace);

}  // namespace fastweight
