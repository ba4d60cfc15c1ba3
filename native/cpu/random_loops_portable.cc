// The loops of random_loops.h for what the compiler's target always has; on arm64 that is NEON.
#include "cpu/random_loops.h"
#include "cpu/random_loops.inl"

namespace fastweight::cpu {

const RandomLoops* randomLoopsPortable() { return &kRandomLoops; }

}  // namespace fastweight::cpu
