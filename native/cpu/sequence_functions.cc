#include "cpu/sequence_functions.h"

#include <cstdlib>
#include <cstring>

namespace fastweight::cpu {
namespace {

const SequenceFunctions* best() {
  const char* wanted = std::getenv("FASTWEIGHT_ISA");
  const auto allowed = [&](const char* isa) {
    if (wanted == nullptr) return true;
    if (std::strcmp(wanted, "portable") == 0) return false;
    return std::strcmp(wanted, "avx2") != 0 || std::strcmp(isa, "avx2") == 0;
  };
#if defined(__x86_64__) && defined(__GNUC__)
  if (allowed("avx512") && sequenceFunctionsAvx512() != nullptr &&
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
    return sequenceFunctionsAvx512();
  }
  if (allowed("avx2") && sequenceFunctionsAvx2() != nullptr && __builtin_cpu_supports("avx2") &&
      __builtin_cpu_supports("fma")) {
    return sequenceFunctionsAvx2();
  }
#endif
  return sequenceFunctionsPortable();
}

}  // namespace

const SequenceFunctions& sequenceFunctions() {
  static const SequenceFunctions* functions = best();
  return *functions;
}

}  // namespace fastweight::cpu
