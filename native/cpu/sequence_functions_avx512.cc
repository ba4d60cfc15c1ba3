#if defined(__AVX512F__)
#include "cpu/sequence_functions.inl"

namespace fastweight::cpu {

const SequenceFunctions* sequenceFunctionsAvx512() { return &avx512::kFunctions; }

}  // namespace fastweight::cpu
#else
#include "cpu/sequence_functions.h"

namespace fastweight::cpu {

const SequenceFunctions* sequenceFunctionsAvx512() { return nullptr; }

}  // namespace fastweight::cpu
#endif
