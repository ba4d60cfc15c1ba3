// The emulation's stand-in for native/cuda/tensor_core.cuh: the same entries in the same lanes,
// with products of rounded inputs summed in double and rounded once.
#pragma once

#include <cstring>

#include "cuda_bf16.h"
#include "cuda_emulation/functions.h"
#include "cuda_emulation/threads.h"

namespace fastweight::cuda {

struct Accumulator {
  float value[4];
};

/// What lanes show to their warp for a product.
struct ProductOperands {
  uint32_t a[4], b[2];

  static ProductOperands of(const unsigned char* all, unsigned int lane) {
    ProductOperands operands;
    std::memcpy(&operands, all + lane * cuda_emulation::kExchangeBytes, sizeof operands);
    return operands;
  }
};

/// sums += a b, `depth` deep. wordsOf(k) names the lane of a quad that holds entry k of a row or
/// column, and its words: {lane, word of a for row g, word of b}; value(word, k) reads it.
template <typename WordsOf, typename Value>
void multiplyTiles(Accumulator& sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1, int depth,
                   WordsOf wordsOf, Value value) {
  const ProductOperands own = {{a[0], a[1], a[2], a[3]}, {b0, b1}};
  const unsigned char* all = cuda_emulation::exchangeInWarp(0xffffffffu, &own, sizeof own);
  const unsigned int lane = cuda_emulation::lane(), g = lane / 4, t = lane % 4;
  for (int row = 0; row < 2; ++row) {
    for (int column = 0; column < 2; ++column) {
      double sum = sums.value[2 * row + column];
      for (int k = 0; k < depth; ++k) {
        const auto at = wordsOf(k);
        const ProductOperands left = ProductOperands::of(all, 4 * g + at.lane);
        const ProductOperands right = ProductOperands::of(all, 4 * (2 * t + column) + at.lane);
        sum += static_cast<double>(value(left.a[at.aWord + row], k)) *
               static_cast<double>(value(right.b[at.bWord], k));
      }
      sums.value[2 * row + column] = static_cast<float>(sum);
    }
  }
}

struct WordsOfEntry {
  unsigned int lane;
  int aWord, bWord;
};

inline void multiplyBfloat16(Accumulator& sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiplyTiles(
      sums, a, b0, b1, 16,
      [](int k) {
        return WordsOfEntry{static_cast<unsigned int>(k % 8 / 2), k < 8 ? 0 : 2, k < 8 ? 0 : 1};
      },
      [](uint32_t word, int k) {
        return __uint_as_float(k % 2 == 0 ? word << 16 : word & 0xffff0000u);
      });
}

inline void multiplyTf32(Accumulator& sums, const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  multiplyTiles(
      sums, a, b0, b1, 8,
      [](int k) {
        return WordsOfEntry{static_cast<unsigned int>(k % 4), k < 4 ? 0 : 2, k < 4 ? 0 : 1};
      },
      // The hardware does not read the low bits.
      [](uint32_t word, int) { return __uint_as_float(word & 0xffffe000u); });
}

inline float roundToTf32(float x) {
  return __uint_as_float((__float_as_uint(x) + 0x1000u) & 0xffffe000u);
}

/// Shows row l % 8 of matrix l / 8 and returns what all lanes showed.
inline const unsigned char* showMatrixRows(const void* row) {
  return cuda_emulation::exchangeInWarp(0xffffffffu, row, 16);
}

inline void loadMatrices(uint32_t (&to)[4], const void* row) {
  const unsigned char* all = showMatrixRows(row);
  const unsigned int lane = cuda_emulation::lane(), g = lane / 4, t = lane % 4;
  for (unsigned int i = 0; i < 4; ++i) {
    std::memcpy(&to[i], all + (8 * i + g) * cuda_emulation::kExchangeBytes + 4 * t, 4);
  }
}

inline void loadMatricesTransposed(uint32_t (&to)[4], const void* row) {
  const unsigned char* all = showMatrixRows(row);
  const unsigned int lane = cuda_emulation::lane(), g = lane / 4, t = lane % 4;
  for (unsigned int i = 0; i < 4; ++i) {
    uint16_t halves[2];
    for (unsigned int j = 0; j < 2; ++j) {
      const unsigned char* source = all + (8 * i + 2 * t + j) * cuda_emulation::kExchangeBytes;
      std::memcpy(&halves[j], source + 2 * g, 2);
    }
    to[i] = halves[0] | uint32_t{halves[1]} << 16;
  }
}

}  // namespace fastweight::cuda
