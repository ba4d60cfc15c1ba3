// Floats of host memory for the length of a scope.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace fastweight::cpu {

/// `count` floats, not initialised, or null when there is no memory left.
inline std::unique_ptr<float[]> scratchFloats(int64_t count) {
  return std::unique_ptr<float[]>(new (std::nothrow) float[static_cast<size_t>(count)]);
}

}  // namespace fastweight::cpu
