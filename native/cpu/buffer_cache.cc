#include "cpu/buffer_cache.h"

#include <cstdint>
#include <cstdlib>
#ifdef _WIN32
#include <malloc.h>
#endif
#ifdef __linux__
#include <sys/mman.h>
#endif

namespace fastweight::cpu {
namespace {

constexpr size_t kAlignment = 64;
/// Below this the C library's own cache is as good.
constexpr size_t kLeastCached = size_t{16} << 10;
constexpr size_t kHugePage = size_t{2} << 20;

/// Eight classes to a power of two, so that at most an eighth is wasted.
size_t classOf(size_t bytes) {
  if (bytes <= kLeastCached) {
    return bytes == 0 ? kAlignment : (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  size_t step = kLeastCached / 8;
  while (step * 16 <= bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

void* fromSystem(size_t bytes) {
#ifdef _WIN32
  return _aligned_malloc(bytes, kAlignment);
#else
  if (bytes < 2 * kHugePage) return std::aligned_alloc(kAlignment, bytes);
  const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* memory = std::aligned_alloc(kHugePage, rounded);
#ifdef __linux__
  if (memory != nullptr) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  return memory;
#endif
}

void toSystem(void* memory) {
#ifdef _WIN32
  _aligned_free(memory);
#else
  std::free(memory);
#endif
}

}  // namespace

void* BufferCache::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  const size_t size = classOf(bytes);
  const auto found = free_.find(size);
  if (found != free_.end() && !found->second.empty()) {
    void* memory = found->second.back();
    found->second.pop_back();
    cached_ -= size;
    return memory;
  }
  void* memory = fromSystem(size);
  if (memory == nullptr && cached_ > 0) {
    clear();
    memory = fromSystem(size);
  }
  return memory;
}

void BufferCache::release(void* memory, size_t bytes) {
  if (memory == nullptr) return;
  const size_t size = classOf(bytes);
  if (size <= kLeastCached || cached_ + size > limit_) {
    toSystem(memory);
    return;
  }
  free_[size].push_back(memory);
  cached_ += size;
}

void BufferCache::clear() {
  for (auto& [size, buffers] : free_) {
    for (void* memory : buffers) toSystem(memory);
  }
  free_.clear();
  cached_ = 0;
}

}  // namespace fastweight::cpu
