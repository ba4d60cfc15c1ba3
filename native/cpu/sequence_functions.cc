#include "cpu/sequence_functions.h"

#include "cpu/cpu_features.h"

namespace fastweight::cpu {

const SequenceFunctions& sequenceFunctions() {
  const SequenceFunctions* functions = nullptr;
  if (currentIsa() == Isa::kAvx512) functions = sequenceFunctionsAvx512();
  if (currentIsa() == Isa::kAvx2) functions = sequenceFunctionsAvx2();
  return functions != nullptr ? *functions : *sequenceFunctionsPortable();
}

}  // namespace fastweight::cpu
