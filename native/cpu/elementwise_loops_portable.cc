// The loops for whatever instructions the compiler's target always has.
#include "cpu/elementwise_loops.h"
#include "cpu/elementwise_loops.inl"

namespace fastweight::cpu {

const ElementwiseLoops* elementwiseLoopsPortable() { return &kLoops; }

}  // namespace fastweight::cpu
