// The loops of random_loops.h for AVX-512.
#include "cpu/random_loops.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)

#include "cpu/random_loops.inl"

namespace fastweight::cpu {

const RandomLoops* randomLoopsAvx512() { return &kRandomLoops; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const RandomLoops* randomLoopsAvx512() { return nullptr; }

}  // namespace fastweight::cpu

#endif
