// What the sequence kernels need to run with scratch memory on all threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"
#include "fastweight/status.h"

namespace fastweight::cpu {

inline int64_t divideUp(int64_t count, int64_t by) { return (count + by - 1) / by; }

inline Status outOfMemory(const char* kernel) {
  return Status(Code::kOutOfMemory, std::string("Out of memory for the scratch of ") + kernel);
}

/// body(begin, end, scratch) over the items, each call with scratch of its own.
template <typename Body>
Status withScratch(int64_t items, int64_t floats, const char* kernel, Body body) {
  std::atomic<bool> failed{false};
  parallelFor(items, 1, [&](int64_t begin, int64_t end) {
    const Scratch scratch = scratchFloats(floats);
    if (scratch == nullptr) {
      failed.store(true);
      return;
    }
    body(begin, end, scratch.get());
  });
  return failed.load() ? outOfMemory(kernel) : Status::ok();
}

}  // namespace fastweight::cpu
