// Device memory that is used again: fresh pages cost more than most kernels that fill them.
#pragma once

#include <cstddef>
#include <map>
#include <vector>

namespace fastweight::cpu {

/// Hands out memory and keeps what comes back for the next request of its size class, up to a
/// limit. Not thread-safe: a device belongs to one thread.
class BufferCache {
 public:
  /// Keeps at most `limit` bytes that nobody uses.
  explicit BufferCache(size_t limit) : limit_(limit) {}
  ~BufferCache() { clear(); }
  BufferCache(const BufferCache&) = delete;
  BufferCache& operator=(const BufferCache&) = delete;

  /// `bytes` bytes or more, aligned to 64; null where there are none left, even after clear().
  void* allocate(size_t bytes);
  /// Takes back what allocate(bytes) gave. Null is ignored.
  void release(void* memory, size_t bytes);
  /// Gives all that nobody uses back to the system.
  void clear();

  size_t cachedBytes() const { return cached_; }

 private:
  size_t limit_;
  size_t cached_ = 0;
  std::map<size_t, std::vector<void*>> free_;  // by size class
};

}  // namespace fastweight::cpu
