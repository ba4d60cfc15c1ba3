#include "check.h"

#include <cstring>

#include "cpu/cpu_features.h"
#include "cpu/thread_pool.h"

namespace fastweight::test {

Counts& counts() {
  static Counts value;
  return value;
}

void expect(bool passed, const std::string& what, const std::string& detail) {
  ++(passed ? counts().passed : counts().failed);
  if (!passed && counts().failed <= 40) {
    std::printf("FAILED %s: %s\n", what.c_str(), detail.c_str());
  }
}

float Random::next() {
  state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
  return static_cast<float>(state_ >> 40) / 8388608.0f - 1.0f;
}

std::vector<float> Random::floats(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = next();
  return values;
}

namespace {

bool briefly = false;

}  // namespace

void checkBriefly() { briefly = true; }

void forEachIsa(const std::function<void(const std::string& isa)>& body) {
  if (briefly) return body("the device's");
  for (const cpu::Isa isa : cpu::availableIsas()) {
    const std::string name = cpu::isaName(isa);
    expect(cpu::selectIsa(name).isOk(), "select " + name);
    body(name);
  }
  expect(cpu::selectIsa("").isOk(), "select the best");
}

void expectSameForAnyThreads(const std::string& what,
                             const std::function<std::vector<float>()>& compute) {
  const int before = cpu::threadCount();
  cpu::setThreadCount(1);
  const std::vector<float> wanted = compute();
  for (const int threads : {1, 2, 3, 5, 2}) {
    if (briefly && threads > 1) break;
    cpu::setThreadCount(threads);
    const std::vector<float> got = compute();
    expect(std::memcmp(wanted.data(), got.data(), wanted.size() * sizeof(float)) == 0, what,
           "other bits with " + std::to_string(threads) + " threads");
  }
  cpu::setThreadCount(before);
}

}  // namespace fastweight::test
