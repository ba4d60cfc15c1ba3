// What a piece of queued work depends on, so that a device can tell when the same work comes again.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace fastweight {

/// A list of 64-bit words; two keys are equal where all their words are. A list of any length goes
/// in behind its length.
class ReplayKey {
 public:
  /// Integers, enumerations, truth values, pointers, and float32 by its bits.
  template <typename... Values>
  ReplayKey& add(Values... values) {
    (words_.push_back(wordOf(values)), ...);
    return *this;
  }

  bool operator<(const ReplayKey& other) const { return words_ < other.words_; }

 private:
  template <typename Value>
  static uint64_t wordOf(Value value) {
    if constexpr (std::is_pointer_v<Value>) {
      return reinterpret_cast<uintptr_t>(value);
    } else if constexpr (std::is_same_v<Value, float>) {
      uint32_t bits;
      std::memcpy(&bits, &value, sizeof bits);
      return bits;
    } else {
      static_assert(std::is_integral_v<Value> || std::is_enum_v<Value>, "a value of 64 bits");
      return static_cast<uint64_t>(value);
    }
  }

  std::vector<uint64_t> words_;
};

}  // namespace fastweight
