// Attention and its backward, in three precisions.
#include <cmath>

#include "cuda/cuda_device.h"
#include "cuda_emulation/launches.h"
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

struct AttentionCase {
  int64_t queryTokens, keyTokens, headDim, window;
  bool causal = true, documents = false;
};

std::string nameOf(const AttentionCase& c) {
  return std::to_string(c.queryTokens) + " of " + std::to_string(c.keyTokens) +
         " tokens, heads of " + std::to_string(c.headDim) + ", window " + std::to_string(c.window) +
         (c.causal ? "" : ", not causal") + (c.documents ? ", documents" : "");
}

/// Values that a precision holds exactly, so that only later roundings differ.
std::vector<float> floatsOf(uint64_t seed, int64_t count, MatmulPrecision precision) {
  std::vector<float> values = Random(seed).floats(count);
  if (precision == MatmulPrecision::kFloat32) return values;
  for (float& value : values) value = std::round(value * 64) / 64;
  return values;
}

void run(DeviceRun& on, const AttentionCase& c, MatmulPrecision precision) {
  const int64_t batch = 2, heads = 2;
  AttentionShape shape;
  shape.batch = batch;
  shape.heads = heads;
  shape.queryTokens = c.queryTokens;
  shape.keyTokens = c.keyTokens;
  shape.headDim = c.headDim;
  shape.window = c.window;
  shape.causal = c.causal;
  shape.scale = 0.25f;
  const int64_t width = heads * c.headDim;
  const int64_t queries = batch * c.queryTokens * width, keys = batch * c.keyTokens * width;
  if (c.documents) {
    std::vector<int32_t> firstKeys;
    const int64_t offset = c.keyTokens - c.queryTokens;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < c.queryTokens; ++i) {
        firstKeys.push_back(static_cast<int32_t>((i + offset) / (30 + 17 * b) * (30 + 17 * b)));
      }
    }
    shape.firstKeys = on.input(firstKeys);
  }
  const auto ofQueries = [&](auto* x) { return packed(x, c.queryTokens, width); };
  const auto ofKeys = [&](auto* x) { return packed(x, c.keyTokens, width); };
  const auto input = [&](uint64_t seed, int64_t count) -> const float* {
    return on.input(floatsOf(seed, count, precision));
  };
  Attention forward;
  forward.shape = shape;
  forward.q = ofQueries(input(1, queries));
  forward.k = ofKeys(input(2, keys));
  forward.v = ofKeys(input(3, keys));
  forward.output = ofQueries(on.floats(queries));
  forward.logSumExp = on.floats(batch * heads * c.queryTokens);
  Status status = on.device().attention(forward);
  expect(status.isOk(), "attention", status.message());
  AttentionBackward backward;
  backward.shape = shape;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.output = forward.output;
  backward.logSumExp = forward.logSumExp;
  backward.outputCotangent = ofQueries(input(4, queries));
  backward.qCotangent = ofQueries(on.floats(queries));
  backward.kCotangent = ofKeys(on.floats(keys));
  backward.vCotangent = ofKeys(on.floats(keys));
  status = on.device().attentionBackward(backward);
  expect(status.isOk(), "attention backward", status.message());
}

void add(DeviceCases* cases, const AttentionCase& c, MatmulPrecision precision,
         const std::string& name, double tolerance) {
  cases->push_back({"attention in " + name + ": " + nameOf(c),
                    [=](DeviceRun& on) { run(on, c, precision); }, tolerance, 1, precision});
}

}  // namespace

void addAttentionCases(DeviceCases* cases) {
  const AttentionCase all[] = {
      {100, 100, 32, 41},
      {70, 130, 17, 200},
      {1, 90, 64, 33},
      {75, 75, 72, 2},
      {90, 40, 24, 1, false},
      {33, 141, 64, 1, false},
      {97, 97, 20, 60, true, true},
      {40, 97, 128, 97, true, true},
      {20, 35, 160, 16},
      {9, 21, 300, 6},
      {7, 11, 520, 1, false},
      {13, 13, 257, 13, true, true},
  };
  for (const AttentionCase& c : all) {
    // A query's cotangent is a sum of differences of sums over the head.
    const double growth = c.headDim > 256 ? 3 : 1;
    add(cases, c, MatmulPrecision::kFloat32, "float32", growth * 5e-6);
    add(cases, c, MatmulPrecision::kTf32, "tf32", 4e-3);
    add(cases, c, MatmulPrecision::kBfloat16, "bfloat16", 3e-2);
  }
}

void testSmallSharedMemory(Device& cpu) {
  constexpr size_t kOfOthers = 227 * 1024, kSmall = 99 * 1024;
  cuda_emulation::setMostSharedBytes(kSmall);
  std::unique_ptr<Device> cuda;
  const Status status = cuda::CudaDevice::create(0, &cuda);
  expect(status.isOk(), "a GPU with little shared memory", status.message());
  DeviceCases cases;
  addAttentionCases(&cases);
  for (DeviceCase& each : cases) {
    // No head fits in tf32, whose operands are the widest.
    if (each.precision != MatmulPrecision::kTf32) continue;
    // Sums are scaled anew with every key, not with every tile of them.
    each.tolerance *= 2;
    testOnBoth(each, cpu, *cuda);
  }
  cuda.reset();
  cuda_emulation::setMostSharedBytes(kOfOthers);
}

}  // namespace fastweight::test
