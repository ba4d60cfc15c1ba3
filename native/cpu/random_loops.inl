// The loops of random_loops.h. Everything here has internal linkage and uses no library templates,
// so that code compiled for one instruction set is never what the linker keeps for another.

#include "fastweight/philox.h"

namespace fastweight::cpu {
namespace {

void groupWords(uint64_t seed, RandomStream stream, int64_t group, uint32_t* words) {
  for (int lane = 0; lane < kRandomLanes; ++lane) {
    const uint64_t counter = static_cast<uint64_t>(group) * kRandomLanes + lane;
    const RandomWords random = philox(seed, stream, counter);
    words[lane] = random.word[0];
    words[lane + kRandomLanes] = random.word[1];
    words[lane + 2 * kRandomLanes] = random.word[2];
    words[lane + 3 * kRandomLanes] = random.word[3];
  }
}

void uniform(uint64_t seed, int64_t first, int64_t groups, float low, float high, float* y) {
  const float range = high - low;
  uint32_t words[kRandomGroup];
  for (int64_t group = 0; group < groups; ++group, y += kRandomGroup) {
    groupWords(seed, RandomStream::kUniform, first + group, words);
    for (int i = 0; i < kRandomGroup; ++i) {
      const float value = low + range * unitUniform(words[i]);
      y[i] = value < high ? value : low;
    }
  }
}

void normal(uint64_t seed, int64_t first, int64_t groups, float mean, float deviation, float* y) {
  uint32_t words[kRandomGroup];
  for (int64_t group = 0; group < groups; ++group, y += kRandomGroup) {
    groupWords(seed, RandomStream::kNormal, first + group, words);
    for (int half = 0; half < kRandomGroup; half += 2 * kRandomLanes) {
      for (int i = half; i < half + kRandomLanes; ++i) {
        float one, two;
        normalPair(words[i], words[i + kRandomLanes], &one, &two);
        y[i] = mean + deviation * one;
        y[i + kRandomLanes] = mean + deviation * two;
      }
    }
  }
}

void mask(uint64_t seed, int64_t first, int64_t groups, uint32_t threshold, float scale, float* y) {
  uint32_t words[kRandomGroup];
  for (int64_t group = 0; group < groups; ++group, y += kRandomGroup) {
    groupWords(seed, RandomStream::kDropout, first + group, words);
    for (int i = 0; i < kRandomGroup; ++i) y[i] = words[i] >= threshold ? scale : 0.0f;
  }
}

const RandomLoops kRandomLoops = {uniform, normal, mask};

}  // namespace
}  // namespace fastweight::cpu
