// CUB's stable sort of pairs by unsigned keys.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "cuda_emulation/graphs.h"

namespace cub {

struct DeviceRadixSort {
  /// Sorts by the bits [beginBit, endBit). Where `scratch` is null only says how much it needs.
  template <typename Value>
  static cudaError_t SortPairs(void* scratch, size_t& scratchBytes, const uint32_t* keysIn,
                               uint32_t* keysOut, const Value* valuesIn, Value* valuesOut,
                               int64_t count, int beginBit, int endBit, cudaStream_t stream) {
    if (scratch == nullptr) {
      scratchBytes = 1;
      return cudaSuccess;
    }
    return cuda_emulation::enqueue(stream, [=] {
      const uint32_t mask = endBit >= 32 ? ~0u : (1u << endBit) - 1;
      const auto part = [=](uint32_t key) { return (key & mask) >> beginBit; };
      std::vector<int64_t> order(static_cast<size_t>(count));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](int64_t i, int64_t j) { return part(keysIn[i]) < part(keysIn[j]); });
      for (int64_t i = 0; i < count; ++i) {
        keysOut[i] = keysIn[order[static_cast<size_t>(i)]];
        valuesOut[i] = valuesIn[order[static_cast<size_t>(i)]];
      }
    });
  }
};

}  // namespace cub
