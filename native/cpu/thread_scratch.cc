#include "cpu/thread_scratch.h"

#include <cstdlib>
#ifdef _WIN32
#include <malloc.h>
#endif

namespace fastweight::cpu {
namespace {

class Scratch {
 public:
  ~Scratch() { release(); }

  float* get(int64_t floats) {
    if (floats <= floats_) return data_;
    release();
    const size_t bytes = static_cast<size_t>((floats * int64_t{sizeof(float)} + 63) / 64 * 64);
#ifdef _WIN32
    data_ = static_cast<float*>(_aligned_malloc(bytes, 64));
#else
    data_ = static_cast<float*>(std::aligned_alloc(64, bytes));
#endif
    floats_ = data_ == nullptr ? 0 : floats;
    return data_;
  }

 private:
  void release() {
#ifdef _WIN32
    _aligned_free(data_);
#else
    std::free(data_);
#endif
    data_ = nullptr;
    floats_ = 0;
  }

  float* data_ = nullptr;
  int64_t floats_ = 0;
};

thread_local Scratch scratches[2];

}  // namespace

float* threadScratch(ScratchUse use, int64_t floats) {
  return scratches[static_cast<int>(use)].get(floats);
}

}  // namespace fastweight::cpu
