// The loops for AVX2.
#include "cpu/elementwise_loops.h"

#if defined(__AVX2__)

#include "cpu/elementwise_loops.inl"

namespace fastweight::cpu {

const ElementwiseLoops* elementwiseLoopsAvx2() { return &kLoops; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const ElementwiseLoops* elementwiseLoopsAvx2() { return nullptr; }

}  // namespace fastweight::cpu

#endif
