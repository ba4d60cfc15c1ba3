// The choice of instruction set and the thread pool.
#include <atomic>
#include <thread>

#include "check.h"
#include "cpu/cpu_features.h"
#include "cpu/thread_pool.h"

namespace fastweight::test {

void testCpuFeatures() {
  expect(cpu::availableIsas().front() == cpu::Isa::kPortable, "portable is always there");
  const cpu::Isa before = cpu::currentIsa();
  const Status status = cpu::selectIsa("sse9");
  expect(status.code() == Code::kArgument, "an unknown instruction set", codeName(status.code()));
  expect(status.message().find("but got 'sse9'") != std::string::npos, "says what it got",
         status.message());
  expect(cpu::currentIsa() == before, "a failed selection changes nothing");
}

namespace {

/// Whether every item of a loop was visited once, on ranges that begin at multiples of the grain.
bool visitsAllOnce(int64_t items, int64_t grain) {
  std::vector<std::atomic<int>> visits(static_cast<size_t>(items));
  std::atomic<bool> aligned{true};
  cpu::parallelFor(items, grain, [&](int64_t begin, int64_t end) {
    if (begin % grain != 0 || (end % grain != 0 && end != items)) aligned = false;
    for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
  });
  for (const auto& count : visits) {
    if (count != 1) return false;
  }
  return aligned;
}

}  // namespace

void testThreadPool() {
  const int before = cpu::threadCount();
  for (const int threads : {1, 2, 3, 8}) {
    cpu::setThreadCount(threads);
    for (const int64_t items : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 64}) {
        expect(visitsAllOnce(items, grain), "items are visited once",
               std::to_string(items) + " items of grain " + std::to_string(grain));
      }
    }
  }
  std::atomic<int64_t> inner{0};
  cpu::parallelFor(8, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      cpu::parallelFor(100, 1, [&](int64_t from, int64_t to) { inner += to - from; });
    }
  });
  expect(inner == 800, "a loop inside a loop runs", std::to_string(inner));
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        cpu::parallelFor(5, 1, [&](int64_t begin, int64_t end) { total += end - begin; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  expect(total == 4 * 2000 * 5, "callers from many threads", std::to_string(total));
  cpu::setThreadCount(before);
}

}  // namespace fastweight::test
