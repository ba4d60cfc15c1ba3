#if defined(__AVX2__)
#include "cpu/sequence_functions.inl"

namespace fastweight::cpu {

const SequenceFunctions* sequenceFunctionsAvx2() { return &avx2::kFunctions; }

}  // namespace fastweight::cpu
#else
#include "cpu/sequence_functions.h"

namespace fastweight::cpu {

const SequenceFunctions* sequenceFunctionsAvx2() { return nullptr; }

}  // namespace fastweight::cpu
#endif
