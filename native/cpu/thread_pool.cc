#include "cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace fastweight::cpu {
namespace {

thread_local bool insidePool = false;

class ThreadPool {
 public:
  static ThreadPool& instance() {
    static auto* pool = new ThreadPool();  // never destroyed: threads may outlive main()
    return *pool;
  }

  int count() const { return count_.load(); }

  void setCount(int count) { count_.store(std::max(1, std::min(count, 1024))); }

  void run(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
    if (count <= 0) return;
    grain = std::max<int64_t>(1, grain);
    const int64_t pieces = std::min<int64_t>(count_.load(), (count + grain - 1) / grain);
    std::unique_lock<std::mutex> owner(owner_, std::defer_lock);
    if (pieces <= 1 || insidePool || !owner.try_lock()) {
      body(context, 0, count);
      return;
    }
    startWorkers(static_cast<int>(pieces) - 1);
    const int64_t blocks = (count + grain - 1) / grain;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      body_ = body;
      context_ = context;
      items_ = count;
      blocks_ = blocks;
      grain_ = grain;
      pieces_ = pieces;
      pending_.store(pieces - 1);
      generation_.fetch_add(1);
    }
    wake_.notify_all();
    insidePool = true;
    runPiece(0);
    insidePool = false;
    for (int spin = 0; pending_.load(std::memory_order_acquire) != 0; ++spin) {
      if (spin > kSpins) std::this_thread::yield();
    }
  }

 private:
  static constexpr int kSpins = 20000;

  ThreadPool() {
    const char* wanted = std::getenv("FASTWEIGHT_NUM_THREADS");
    const int threads = wanted != nullptr ? std::atoi(wanted) : 0;
    setCount(threads > 0 ? threads : static_cast<int>(std::thread::hardware_concurrency()));
  }

  void startWorkers(int wanted) {
    while (static_cast<int>(workers_) < wanted) {
      const int index = ++workers_;
      std::thread([this, index] { work(index); }).detach();
    }
  }

  void runPiece(int64_t piece) {
    const int64_t begin = blocks_ * piece / pieces_ * grain_;
    const int64_t end = std::min(items_, blocks_ * (piece + 1) / pieces_ * grain_);
    if (begin < end) body_(context_, begin, end);
  }

  void work(int index) {
    insidePool = true;
    uint64_t seen = 0;
    for (;;) {
      for (int spin = 0; spin < kSpins && generation_.load() == seen; ++spin) {
      }
      {
        std::unique_lock<std::mutex> lock(mutex_);
        wake_.wait(lock, [&] { return generation_.load() != seen; });
        seen = generation_.load();
        if (index >= pieces_) continue;
      }
      runPiece(index);
      pending_.fetch_sub(1, std::memory_order_release);
    }
  }

  std::atomic<int> count_{1};
  std::mutex owner_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int64_t> pending_{0};
  int workers_ = 0;
  void (*body_)(void*, int64_t, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t items_ = 0, blocks_ = 0, grain_ = 1, pieces_ = 1;
};

}  // namespace

int threadCount() { return ThreadPool::instance().count(); }

void setThreadCount(int count) { ThreadPool::instance().setCount(count); }

void parallelRanges(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t),
                    void* context) {
  ThreadPool::instance().run(count, grain, body, context);
}

}  // namespace fastweight::cpu
