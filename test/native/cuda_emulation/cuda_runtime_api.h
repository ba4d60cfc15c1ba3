// The runtime alone, for files without kernels.
#pragma once

#include "cuda_emulation/graphs.h"
#include "cuda_emulation/memory_pools.h"
#include "cuda_emulation/runtime_api.h"
