// CUDA for a machine without a GPU: kernels compile as C++ and run on the host, a block after
// another, each thread of a block on a stack of its own. What CUDA promises of synchronisation is
// kept, and no more: between two barriers the threads run one after another, so a barrier that is
// missing shows up as a wrong result in one order of the threads or the other.
#pragma once

#include "cuda_emulation/functions.h"
#include "cuda_emulation/language.h"
#include "cuda_emulation/launches.h"
#include "cuda_emulation/memory_pools.h"
#include "cuda_emulation/runtime_api.h"
#include "cuda_emulation/threads.h"
