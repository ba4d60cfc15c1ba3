// The emulation's stand-in for native/cuda/warpgroup.cuh: the same descriptors, read as the PTX ISA
// says, and the same entries in the same threads. A product reads its operands when it is waited
// for, and sums in double.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/warpgroup_layout.cuh"
#include "cuda_bf16.h"
#include "cuda_emulation/copy_engine.h"
#include "cuda_emulation/warpgroup_products.h"
#include "cuda_fp16.h"

namespace fastweight::cuda {

inline uint32_t sharedAddress(const void* shared) { return cuda_emulation::sharedOffset(shared); }

inline void beginProducts() {}
inline void endProducts() { cuda_emulation::endProducts(); }
template <int later>
void waitForProducts() {
  cuda_emulation::waitForProducts(later);
}

inline void takeSums(float (&)[kProductSums]) {}

template <typename Element, bool aDepthwise, bool bDepthwise>
void multiplyTiles(float (&sums)[kProductSums], uint64_t a, uint64_t b, bool adds) {
  cuda_emulation::startProduct(
      {sums, a, b, std::is_same_v<Element, __half>, aDepthwise, bDepthwise, adds});
}

template <int registers>
void shrinkRegisters() {}
template <int registers>
void growRegisters() {}

inline uint32_t transposeMatrix(uint32_t row) {
  const unsigned char* all = cuda_emulation::exchangeInWarp(0xffffffffu, &row, sizeof row);
  const unsigned int g = cuda_emulation::lane() / 4, t = cuda_emulation::lane() % 4;
  uint32_t column = 0;
  for (unsigned int i = 0; i < 2; ++i) {
    uint32_t word;
    std::memcpy(&word, all + (4 * (2 * t + i) + g / 2) * cuda_emulation::kExchangeBytes,
                sizeof word);
    column |= (word >> 16 * (g % 2) & 0xffffu) << 16 * i;
  }
  return column;
}

}  // namespace fastweight::cuda
