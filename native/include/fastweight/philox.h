// Counter-based random words: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", 2011). Any word is computed from its position alone, on every device alike.
#pragma once

#include <cstdint>

#include "fastweight/scalar_functions.h"

namespace fastweight {

/// What random words are for; equal seeds give different words to each.
enum class RandomStream : uint32_t { kUniform, kNormal, kDropout };

struct RandomWords {
  uint32_t word[4];
};

/// The four words at `counter` of the stream with this seed.
FASTWEIGHT_SCALAR RandomWords philox(uint64_t seed, RandomStream stream, uint64_t counter) {
  uint32_t x0 = static_cast<uint32_t>(counter), x1 = static_cast<uint32_t>(counter >> 32);
  uint32_t x2 = static_cast<uint32_t>(stream), x3 = 0;
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * x0;
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * x2;
    x0 = static_cast<uint32_t>(product1 >> 32) ^ x1 ^ key0;
    x1 = static_cast<uint32_t>(product1);
    x2 = static_cast<uint32_t>(product0 >> 32) ^ x3 ^ key1;
    x3 = static_cast<uint32_t>(product0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{x0, x1, x2, x3}};
}

/// Random arrays are filled in groups of 64: element 16 j + l of group g is made of word j at
/// counter 16 g + l, so that vectors of up to 16 lanes store whole.
constexpr int kRandomLanes = 16;
constexpr int kRandomGroup = 4 * kRandomLanes;

/// Uniform in [0, 1), a multiple of 2^-24.
FASTWEIGHT_SCALAR float unitUniform(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 5.9604645e-8f;
}

/// Two independent standard normal numbers of two words (Box and Muller 1958); sizes up to 5.9.
FASTWEIGHT_SCALAR void normalPair(uint32_t word0, uint32_t word1, float* first, float* second) {
  const float radius = sqrtf(-2.0f * logarithm(unitUniform(word0) + 2.9802322e-8f));
  // The turn in quarters, and what is left of the nearest one: an angle of at most pi / 4.
  const float quarters = unitUniform(word1) * 4.0f;
  const int32_t quarter = static_cast<int32_t>(quarters + 0.5f);
  const float angle = (quarters - static_cast<float>(quarter)) * 1.57079633f;
  const float z = angle * angle;
  float sine = -1.9515295891e-4f;
  sine = sine * z + 8.3321608736e-3f;
  sine = sine * z - 1.6666654611e-1f;
  sine = sine * z * angle + angle;
  float cosine = 2.443315711809948e-5f;
  cosine = cosine * z - 1.388731625493765e-3f;
  cosine = cosine * z + 4.166664568298827e-2f;
  cosine = cosine * z * z - 0.5f * z + 1.0f;
  const bool odd = (quarter & 1) != 0;
  const float x = odd ? sine : cosine, y = odd ? cosine : sine;
  *first = radius * (((quarter + 1) & 2) != 0 ? -x : x);
  *second = radius * ((quarter & 2) != 0 ? -y : y);
}

}  // namespace fastweight
