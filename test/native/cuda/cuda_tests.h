// The parts of the tests of the CUDA device under emulation.
#pragma once

#include "check.h"

namespace fastweight::test {

void testEmulation();

}  // namespace fastweight::test
