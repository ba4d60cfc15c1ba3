#include "cpu/rotary_table.h"

#include <cmath>
#include <mutex>
#include <new>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// Tables below this many angles are cheaper to compute again than to keep; a decoder's one token a
/// call must not evict the table of the training tokens.
constexpr int64_t kWorthKeeping = 4096;

bool same(const RotaryAngles& a, const RotaryAngles& b) {
  return a.base == b.base && a.offset == b.offset && a.tokens == b.tokens && a.pairs == b.pairs;
}

}  // namespace

RotaryTable::RotaryTable(const RotaryAngles& angles, Scratch values)
    : angles_(angles), values_(std::move(values)) {
  float* cosine = values_.get();
  float* sine = values_.get() + angles.tokens * angles.pairs;
  parallelFor(angles.tokens, 64, [=](int64_t begin, int64_t end) {
    for (int64_t i = 0; i < angles.pairs; ++i) {
      const double frequency =
          std::pow(angles.base, -static_cast<double>(i) / static_cast<double>(angles.pairs));
      for (int64_t t = begin; t < end; ++t) {
        const double angle = static_cast<double>(angles.offset + t) * frequency;
        cosine[t * angles.pairs + i] = static_cast<float>(std::cos(angle));
        sine[t * angles.pairs + i] = static_cast<float>(std::sin(angle));
      }
    }
  });
}

std::shared_ptr<const RotaryTable> rotaryTable(const RotaryAngles& angles) {
  static std::mutex mutex;
  static std::shared_ptr<const RotaryTable> kept;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (kept != nullptr && same(kept->angles(), angles)) return kept;
  }
  Scratch values = scratchFloats(2 * angles.tokens * angles.pairs);
  if (values == nullptr) return nullptr;
  auto table = std::make_shared<const RotaryTable>(angles, std::move(values));
  if (angles.tokens * angles.pairs >= kWorthKeeping) {
    std::lock_guard<std::mutex> lock(mutex);
    kept = table;
  }
  return table;
}

}  // namespace fastweight::cpu
