// Random numbers: groups are made in a buffer that the first cache level holds, then moved.
#include "cpu/cpu_device.h"
#include "cpu/cpu_features.h"
#include "cpu/random_loops.h"
#include "cpu/thread_pool.h"
#include "fastweight/philox.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrainGroups = 128;

/// fill(first, groups, y) writes groups; take(start, count, values) takes what was filled for the
/// elements from `start` on.
template <typename Fill, typename Take>
void forGroups(int64_t count, Fill fill, Take take) {
  const int64_t groups = (count + kRandomGroup - 1) / kRandomGroup;
  parallelFor(groups, kGrainGroups, [&](int64_t begin, int64_t end) {
    constexpr int64_t kBuffered = 16;
    float buffer[kBuffered * kRandomGroup];
    for (int64_t first = begin; first < end; first += kBuffered) {
      const int64_t some = end - first < kBuffered ? end - first : kBuffered;
      fill(first, some, buffer);
      const int64_t start = first * kRandomGroup, room = some * kRandomGroup;
      take(start, count - start < room ? count - start : room, buffer);
    }
  });
}

}  // namespace

const RandomLoops& randomLoops() {
  const RandomLoops* loops = nullptr;
  if (currentIsa() == Isa::kAvx512) loops = randomLoopsAvx512();
  if (currentIsa() == Isa::kAvx2) loops = randomLoopsAvx2();
  return loops != nullptr ? *loops : *randomLoopsPortable();
}

void CpuDevice::randomUniform(uint64_t seed, int64_t count, float low, float high, float* y) {
  const RandomLoops& loops = randomLoops();
  forGroups(
      count,
      [&](int64_t first, int64_t groups, float* values) {
        loops.uniform(seed, first, groups, low, high, values);
      },
      [=](int64_t start, int64_t some, const float* values) {
        for (int64_t i = 0; i < some; ++i) y[start + i] = values[i];
      });
}

void CpuDevice::randomNormal(uint64_t seed, int64_t count, float mean, float deviation, float* y) {
  const RandomLoops& loops = randomLoops();
  forGroups(
      count,
      [&](int64_t first, int64_t groups, float* values) {
        loops.normal(seed, first, groups, mean, deviation, values);
      },
      [=](int64_t start, int64_t some, const float* values) {
        for (int64_t i = 0; i < some; ++i) y[start + i] = values[i];
      });
}

void CpuDevice::dropout(uint64_t seed, int64_t count, double rate, const float* x, float* y) {
  const RandomLoops& loops = randomLoops();
  const uint32_t threshold = static_cast<uint32_t>(rate * 4294967296.0);
  const float scale = static_cast<float>(1 / (1 - rate));
  forGroups(
      count,
      [&](int64_t first, int64_t groups, float* factors) {
        loops.mask(seed, first, groups, threshold, scale, factors);
      },
      [=](int64_t start, int64_t some, const float* factors) {
        // A product would leave NaN where an infinity is dropped.
        for (int64_t i = 0; i < some; ++i) {
          y[start + i] = factors[i] != 0.0f ? factors[i] * x[start + i] : 0.0f;
        }
      });
}

}  // namespace fastweight::cpu
