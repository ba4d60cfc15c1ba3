// The loops of vector_kernels.h for AVX-512.
#include "cpu/vector_kernels.h"

#if defined(__AVX512F__) && defined(__AVX512DQ__)

#include "cpu/vector_kernels.inl"

namespace fastweight::cpu {

const VectorKernels* vectorKernelsAvx512() { return &kVectorKernels; }

}  // namespace fastweight::cpu

#else

namespace fastweight::cpu {

const VectorKernels* vectorKernelsAvx512() { return nullptr; }

}  // namespace fastweight::cpu

#endif
