#include "cpu/sequence_functions.inl"

namespace fastweight::cpu {

const SequenceFunctions* sequenceFunctionsPortable() { return &portable::kFunctions; }

}  // namespace fastweight::cpu
