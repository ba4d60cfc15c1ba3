// Which instruction sets this CPU and its operating system support, and which of them is in use.
#pragma once

#include <string>
#include <vector>

#include "fastweight/status.h"

namespace fastweight::cpu {

/// The instruction sets that kernels are compiled for, from the slowest to the fastest of a
/// machine.
enum class Isa { kPortable, kNeon, kAvx2, kAvx512 };

/// "portable", "neon", "avx2" or "avx512".
const char* isaName(Isa isa);

/// What this process can run, slowest first. Always holds kPortable.
const std::vector<Isa>& availableIsas();

/// What kernels run with: the last of availableIsas() unless FASTWEIGHT_ISA or selectIsa() says
/// otherwise.
Isa currentIsa();

/// Runs kernels with the instruction set of that name from now on; "" takes the best one.
/// ERR_ARGUMENT, and no change, where this machine has none of that name. Not to be called while a
/// primitive runs.
Status selectIsa(const std::string& name);

/// What became of FASTWEIGHT_ISA: ERR_ARGUMENT where it names nothing that this machine can run, in
/// which case the best instruction set is in use.
Status environmentIsaStatus();

}  // namespace fastweight::cpu
