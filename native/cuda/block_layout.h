// Where requests for memory go within one block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>

namespace fastweight::cuda {

/// First fit: the same requests and returns in the same order lie at the same offsets each time, so
/// that the bytes which one run of some work took are those that the next one takes.
class BlockLayout {
 public:
  /// The offset of `bytes` bytes, a multiple of 256.
  size_t take(size_t bytes) {
    const size_t size = (std::max<size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
    size_t offset = 0;
    for (const auto& [start, taken] : taken_) {
      if (start - offset >= size) break;
      offset = start + taken;
    }
    taken_[offset] = size;
    extent_ = std::max(extent_, offset + size);
    return offset;
  }
  void giveBack(size_t offset) { taken_.erase(offset); }

  bool isEmpty() const { return taken_.empty(); }
  /// The bytes of a block that all requests so far fit in.
  size_t extent() const { return extent_; }

 private:
  static constexpr size_t kAlignment = 256;

  /// Bytes by offset.
  std::map<size_t, size_t> taken_;
  size_t extent_ = 0;
};

}  // namespace fastweight::cuda
