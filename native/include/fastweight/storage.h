// How float32 values lie in memory.
#pragma once

#include <cstdint>

namespace fastweight {

/// kBfloat16: rounded to bfloat16, two bytes a value. Where nothing else is said, values lie as
/// kFloat32; kernels meet others only on a device with storesBfloat16().
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
  /// Of values that lie as float32.
  const float* floats() const { return static_cast<const float*>(data); }
};

/// Values to write, to be stored so.
struct StoredResult {
  void* data = nullptr;
  Storage storage = Storage::kFloat32;

  StoredResult() = default;
  StoredResult(float* floats) : data(floats) {}  // NOLINT
  StoredResult(void* values, Storage stored) : data(values), storage(stored) {}

  float* floats() const { return static_cast<float*>(data); }
};

}  // namespace fastweight
