#include "cpu/elementwise_loops.h"

#include "cpu/cpu_features.h"

namespace fastweight::cpu {

const ElementwiseLoops& elementwiseLoops() {
  const ElementwiseLoops* loops = nullptr;
  if (currentIsa() == Isa::kAvx512) loops = elementwiseLoopsAvx512();
  if (currentIsa() == Isa::kAvx2) loops = elementwiseLoopsAvx2();
  return loops != nullptr ? *loops : *elementwiseLoopsPortable();
}

}  // namespace fastweight::cpu
