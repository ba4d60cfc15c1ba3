// Random words against their published test vectors, and the arrays made of them.
#include "check.h"
#include "fastweight/philox.h"

namespace fastweight::test {
namespace {

/// Counts that end within a group, on its edge, and in a thread's later range.
constexpr int64_t kCounts[] = {0, 1, 63, 64, 65, 40000};

std::vector<float> uniform(Device& device, uint64_t seed, int64_t count) {
  std::vector<float> y(static_cast<size_t>(count));
  device.randomUniform(seed, count, -1, 3, y.data());
  return y;
}

std::vector<float> normal(Device& device, uint64_t seed, int64_t count) {
  std::vector<float> y(static_cast<size_t>(count));
  device.randomNormal(seed, count, 1, 2, y.data());
  return y;
}

std::vector<float> dropout(Device& device, uint64_t seed, int64_t count) {
  std::vector<float> y(static_cast<size_t>(count), 1.0f);
  device.dropout(seed, count, 0.3, y.data(), y.data());
  return y;
}

void testWords() {
  // Of the Random123 library: counter and key 0.
  const uint32_t wanted[] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  const RandomWords got = philox(0, RandomStream::kUniform, 0);
  for (int i = 0; i < 4; ++i) {
    expect(got.word[i] == wanted[i], "Philox word " + std::to_string(i),
           std::to_string(got.word[i]));
  }
}

}  // namespace

void testRandomKernels(Device& device) {
  testWords();
  const std::vector<float> reference = uniform(device, 5, 40000);
  const std::vector<float> mask = dropout(device, 5, 40000);
  forEachIsa([&](const std::string& isa) {
    expect(uniform(device, 5, 40000) == reference, isa + " uniform", "other bits");
    expect(dropout(device, 5, 40000) == mask, isa + " dropout", "other bits");
    const std::vector<float> all = normal(device, 5, 40000);
    for (const int64_t count : kCounts) {
      const std::vector<float> start(all.begin(), all.begin() + count);
      expect(normal(device, 5, count) == start, isa + " normal of " + std::to_string(count),
             "not the start of a longer one");
    }
    expect(normal(device, 6, 40000) != all, isa + " normal", "the same for another seed");
    expectSameForAnyThreads(isa + " normal", [&] { return normal(device, 7, 40000); });
    expectSameForAnyThreads(isa + " uniform", [&] { return uniform(device, 7, 40000); });
    expectSameForAnyThreads(isa + " dropout", [&] { return dropout(device, 7, 40000); });
  });
}

}  // namespace fastweight::test
