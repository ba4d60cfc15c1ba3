// Floats of host memory for the length of a scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace fastweight::cpu {

/// A cache line, so that no vector straddles two.
constexpr std::align_val_t kScratchAlignment{64};

struct ReleaseScratch {
  void operator()(float* floats) const { ::operator delete[](floats, kScratchAlignment); }
};
using Scratch = std::unique_ptr<float[], ReleaseScratch>;

/// `count` floats, not initialised, or null when there is no memory left.
inline Scratch scratchFloats(int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(float);
  return Scratch(static_cast<float*>(::operator new[](bytes, kScratchAlignment, std::nothrow)));
}

}  // namespace fastweight::cpu
