// The loops of random_loops.h for AVX2 with fused multiply-add.
#include "cpu/random_loops.h"

#if defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER))

#include "cpu/random_loops.inl"

namespace fastweight::cpu {

const RandomLoops* randomLoopsAvx2() { return &kRandomLoops; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const RandomLoops* randomLoopsAvx2() { return nullptr; }

}  // namespace fastweight::cpu

#endif
