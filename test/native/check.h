// What the native tests share: failures that explain themselves, and reproducible random numbers.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "fastweight/device.h"

namespace fastweight::test {

struct Counts {
  int passed = 0, failed = 0;
};
Counts& counts();

/// Counts a check, and prints `what` and `detail` where it failed.
void expect(bool passed, const std::string& what, const std::string& detail = "");

/// Uniform in [-1, 1).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2862933555777941757ull + 3037000493ull) {}
  float next();
  std::vector<float> floats(int64_t count);

 private:
  uint64_t state_;
};

/// From now on the two below go through no instruction sets and fewer threads: for a device that
/// knows neither.
void checkBriefly();

/// Runs `body` with every instruction set that this machine has.
void forEachIsa(const std::function<void(const std::string& isa)>& body);

/// Expects that `compute` leaves the same bits for 1, 2, 3 and 5 threads and from run to run.
void expectSameForAnyThreads(const std::string& what,
                             const std::function<std::vector<float>()>& compute);

void testGemm(Device& device);
void testSymmetricProduct(Device& device);
void testSwiglu(Device& device);
void testSequenceKernels(Device& device);
void testOptimizerKernels(Device& device);
void testRandomKernels(Device& device);
void testCommunicator();
void testScanKeys();
void testCpuFeatures();
void testThreadPool();

}  // namespace fastweight::test
