// The loops for AVX-512.
#include "cpu/elementwise_loops.h"

#if defined(__AVX512F__)

#include "cpu/elementwise_loops.inl"

namespace fastweight::cpu {

const ElementwiseLoops* elementwiseLoopsAvx512() { return &kLoops; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const ElementwiseLoops* elementwiseLoopsAvx512() { return nullptr; }

}  // namespace fastweight::cpu

#endif
