#include "cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <system_error>
#include <thread>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace fastweight::cpu {
namespace {

thread_local bool insidePool = false;

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
  __asm__ volatile("yield");
#endif
}

/// The core that the calling thread is on; -1 where that is not known.
int currentCore() {
#ifdef __linux__
  return sched_getcpu();
#else
  return -1;
#endif
}

/// Moves the calling thread off `core` where it may run elsewhere. Linux often wakes a thread on
/// the core of its waker and leaves both there for many milliseconds while another core is idle.
void leaveCore(int core) {
#ifdef __linux__
  cpu_set_t allowed;
  if (core < 0 || sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  cpu_set_t others = allowed;
  CPU_CLR(core, &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof allowed, &allowed);
#else
  static_cast<void>(core);
#endif
}

/// The owner of a job publishes it, works on it like everybody else, closes it, and waits only for
/// the workers that have entered: a worker that was asleep all the time costs nothing.
class ThreadPool {
 public:
  static ThreadPool& instance() {
    static auto* pool = new ThreadPool();  // never destroyed: threads may outlive main()
    return *pool;
  }

  int count() const { return count_.load(std::memory_order_relaxed); }

  void setCount(int count) { count_.store(std::max(1, std::min(count, kMostThreads))); }

  void run(int64_t items, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
    if (items <= 0) return;
    grain = std::max<int64_t>(1, grain);
    const int64_t blocks = (items + grain - 1) / grain;
    const int threads = static_cast<int>(std::min<int64_t>(count(), blocks));
    std::unique_lock<std::mutex> owner(owner_, std::defer_lock);
    if (threads <= 1 || insidePool || !owner.try_lock()) {
      body(context, 0, items);
      return;
    }
    const int helpers = startWorkers(threads - 1);
    body_ = body;
    context_ = context;
    items_ = items;
    // Several takes a thread, so that one that is late or interrupted is not waited for long.
    take_ = std::max<int64_t>(1, blocks / (kTakes * threads)) * grain;
    next_.store(0, std::memory_order_relaxed);
    finished_.store(0, std::memory_order_relaxed);
    ownerCore_ = currentCore();
    open(helpers);
    insidePool = true;
    work();
    insidePool = false;
    const int entered = helpers - close();
    for (int spin = 0; finished_.load(std::memory_order_acquire) != entered; ++spin) {
      relax();
      if (spin > kSpins) std::this_thread::yield();
    }
  }

 private:
  static constexpr int kMostThreads = 1024;
  static constexpr int kTakes = 4;
  /// Some tens of microseconds: longer than the pause between two jobs of one algorithm.
  static constexpr int kSpins = 4000;

  ThreadPool() {
    const char* wanted = std::getenv("FASTWEIGHT_NUM_THREADS");
    const int threads = wanted != nullptr ? std::atoi(wanted) : 0;
    setCount(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()));
  }

  /// Starts workers until there are `wanted`; the number there are, which is less where the system
  /// gives no more.
  int startWorkers(int wanted) {
    try {
      for (; workers_ < wanted; ++workers_) {
        std::thread([this] { serve(); }).detach();
      }
    } catch (const std::system_error&) {
      return workers_;
    }
    return wanted;
  }

  void open(int places) {
    places_.store(places);
    if (sleepers_.load() == 0) return;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      wake_.notify_all();
    }
    std::this_thread::yield();  // lets a worker that woke on this core leave it
  }

  /// Lets no more workers in; the places left.
  int close() { return places_.exchange(0, std::memory_order_acq_rel); }

  void work() {
    for (;;) {
      const int64_t begin = next_.fetch_add(take_, std::memory_order_relaxed);
      if (begin >= items_) return;
      body_(context_, begin, std::min(items_, begin + take_));
    }
  }

  bool enter() {
    int places = places_.load(std::memory_order_relaxed);
    while (places > 0) {
      if (places_.compare_exchange_weak(places, places - 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  void serve() {
    insidePool = true;
    for (int spin = 0;; ++spin) {
      if (enter()) {
        if (currentCore() == ownerCore_) leaveCore(ownerCore_);
        work();
        finished_.fetch_add(1, std::memory_order_release);
        spin = 0;
      } else if (spin < kSpins) {
        relax();
      } else {
        sleep();
        spin = 0;
      }
    }
  }

  void sleep() {
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [this] { return places_.load() > 0; });
    sleepers_.fetch_sub(1);
  }

  std::atomic<int> count_{1};
  std::mutex owner_;
  int workers_ = 0;

  /// Of the open job, the places that workers may still take; 0 where none is open.
  alignas(64) std::atomic<int> places_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int> finished_{0};
  void (*body_)(void*, int64_t, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t items_ = 0, take_ = 1;
  int ownerCore_ = -1;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> sleepers_{0};
};

}  // namespace

int threadCount() { return ThreadPool::instance().count(); }

void setThreadCount(int count) { ThreadPool::instance().setCount(count); }

void parallelRanges(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t),
                    void* context) {
  ThreadPool::instance().run(count, grain, body, context);
}

}  // namespace fastweight::cpu
