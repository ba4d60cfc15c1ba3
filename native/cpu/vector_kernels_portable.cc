// The loops of vector_kernels.h for what the compiler's target always has; on arm64 that is NEON.
#include "cpu/vector_kernels.h"
#include "cpu/vector_kernels.inl"

namespace fastweight::cpu {

const VectorKernels* vectorKernelsPortable() { return &kVectorKernels; }

}  // namespace fastweight::cpu
