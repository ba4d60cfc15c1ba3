// The loops of vector_kernels.h for AVX2 with fused multiply-add.
#include "cpu/vector_kernels.h"

#if defined(__AVX2__) && (defined(__FMA__) || defined(_MSC_VER))

#include "cpu/vector_kernels.inl"

namespace fastweight::cpu {

const VectorKernels* vectorKernelsAvx2() { return &kVectorKernels; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const VectorKernels* vectorKernelsAvx2() { return nullptr; }

}  // namespace fastweight::cpu

#endif
