// How float32 values lie in memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fastweight {

/// kBfloat16: rounded to bfloat16, two bytes a value. Where nothing else is said, values lie as
/// kFloat32.
enum class Storage { kFloat32, kBfloat16 };

inline constexpr int64_t bytesOf(Storage storage) { return storage == Storage::kBfloat16 ? 2 : 4; }

/// Values to read, as they are stored.
struct StoredFloats {
  const void* data = nullptr;
  Storage storage = Storage::kFloat32;

  StoredFloats() = default;
  StoredFloats(const float* floats) : data(floats) {}  // NOLINT: float32 is the rule
  StoredFloats(const void* values, Storage stored) : data(values), storage(stored) {}

  explicit operator bool() const { return data != nullptr; }
};

}  // namespace fastweight
