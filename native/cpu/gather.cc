// Rows picked by index, and their sums by index.
#include <cstring>

#include "cpu/cpu_device.h"
#include "cpu/elementwise_loops.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrain = 32768;
/// Columns of a segment sum that one thread takes: whole cache lines.
constexpr int64_t kColumns = 64;

template <typename T>
void gatherElements(const Gather& g) {
  const T* x = static_cast<const T*>(g.x);
  T* y = static_cast<T*>(g.y);
  const int64_t rows = g.batch * g.outer * g.indexCount;
  const int64_t grain = g.inner < kGrain ? kGrain / (g.inner > 0 ? g.inner : 1) : 1;
  parallelFor(rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t matrix = row / g.indexCount, position = row % g.indexCount;
      const int64_t index = g.indices[matrix / g.outer * g.indexCount + position];
      std::memcpy(y + row * g.inner, x + (matrix * g.size + index) * g.inner,
                  static_cast<size_t>(g.inner) * sizeof(T));
    }
  });
}

}  // namespace

bool CpuDevice::gather(const Gather& g, int32_t* wrongIndex) {
  for (int64_t i = 0; i < g.batch * g.indexCount; ++i) {
    if (g.indices[i] >= 0 && g.indices[i] < g.size) continue;
    *wrongIndex = g.indices[i];
    return false;
  }
  if (g.elementBytes == 1) {
    gatherElements<uint8_t>(g);
  } else {
    gatherElements<uint32_t>(g);
  }
  return true;
}

void CpuDevice::segmentSum(int64_t rows, int64_t inner, int64_t segments, const float* x,
                           const int32_t* ids, float* y) {
  const auto add = elementwiseLoops().foldRows[static_cast<int>(Fold::kSum)];
  zero(y, static_cast<size_t>(segments * inner) * sizeof(float));
  const int64_t tiles = (inner + kColumns - 1) / kColumns;
  const int64_t tileWork = rows * kColumns;
  parallelFor(tiles, tileWork < kGrain && tileWork > 0 ? kGrain / tileWork : 1,
              [=](int64_t begin, int64_t end) {
                const int64_t column = begin * kColumns;
                const int64_t stop = end * kColumns < inner ? end * kColumns : inner;
                for (int64_t row = 0; row < rows; ++row) {
                  if (ids[row] < 0 || ids[row] >= segments) continue;
                  add(1, inner, stop - column, x + row * inner + column,
                      y + ids[row] * inner + column);
                }
              });
}

}  // namespace fastweight::cpu
