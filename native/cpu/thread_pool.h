// One pool of threads for the process. Work is split over independent items only, so results do not
// depend on the number of threads.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fastweight::cpu {

/// Threads that share the work, the caller's own included. Starts as FASTWEIGHT_NUM_THREADS, else
/// the number of cores this process may use.
int threadCount();
/// Changes it; values below 1 mean 1.
void setThreadCount(int count);

/// Calls body(context, begin, end) on disjoint ranges that cover [0, count), each a multiple of
/// `grain` items but the last. Calls from inside a body, or while another thread has the pool, run
/// on the calling thread alone.
void parallelRanges(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t),
                    void* context);

/// body(begin, end) over [0, count) in ranges of at least `grain` items.
template <typename Body>
void parallelFor(int64_t count, int64_t grain, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  parallelRanges(
      count, grain,
      [](void* context, int64_t begin, int64_t end) {
        (*static_cast<Plain*>(context))(begin, end);
      },
      const_cast<void*>(static_cast<const void*>(&body)));
}

}  // namespace fastweight::cpu
