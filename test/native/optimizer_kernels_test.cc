// The passes of optimizers against double precision, on every instruction set.
#include <algorithm>
#include <cmath>

#include "check.h"
#include "fastweight/muon.h"

namespace fastweight::test {
namespace {

const std::vector<int64_t> kCounts = {1, 16384, 7, 50001, 0, 33};

/// Tensors of kCounts one behind the other.
struct Tensors {
  std::vector<float> data;

  explicit Tensors(uint64_t seed) {
    int64_t count = 0;
    for (const int64_t each : kCounts) count += each;
    data = Random(seed).floats(count);
  }

  std::vector<float*> starts() {
    std::vector<float*> result;
    float* start = data.data();
    for (const int64_t count : kCounts) {
      result.push_back(start);
      start += count;
    }
    return result;
  }
};

AdamWStep adamWStep() {
  AdamWStep step;
  step.beta1 = 0.9f, step.oneMinusBeta1 = 0.1f, step.beta2 = 0.99f, step.oneMinusBeta2 = 0.01f;
  step.epsilon = 1e-6f, step.kept = 0.95f, step.rate = 0.02f, step.secondCorrection = 0.3f;
  return step;
}

/// Variables, then first, then second moments after a step.
std::vector<float> adamW(Device& device) {
  Tensors variable(1), gradient(2), first(3), second(4);
  for (float& each : second.data) each = std::fabs(each);
  const auto v = variable.starts(), g = gradient.starts(), m = first.starts(), s = second.starts();
  std::vector<AdamWTensor> list;
  for (size_t i = 0; i < kCounts.size(); ++i) list.push_back({kCounts[i], v[i], g[i], m[i], s[i]});
  device.adamW(adamWStep(), static_cast<int64_t>(list.size()), list.data());
  std::vector<float> result = variable.data;
  result.insert(result.end(), first.data.begin(), first.data.end());
  result.insert(result.end(), second.data.begin(), second.data.end());
  return result;
}

double adamWError(const std::vector<float>& got) {
  const Tensors variable(1), gradient(2), first(3), second(4);
  const AdamWStep s = adamWStep();
  const size_t count = variable.data.size();
  double worst = 0;
  for (size_t i = 0; i < count; ++i) {
    const double g = gradient.data[i];
    const double m = double{s.beta1} * first.data[i] + s.oneMinusBeta1 * g;
    const double v = double{s.beta2} * std::fabs(second.data[i]) + s.oneMinusBeta2 * g * g;
    const double direction = m / (std::sqrt(v / s.secondCorrection) + s.epsilon);
    const double w = double{s.kept} * variable.data[i] - s.rate * direction;
    worst = std::max({worst, std::fabs(got[i] - w), std::fabs(got[count + i] - m),
                      std::fabs(got[2 * count + i] - v)});
  }
  return worst;
}

float globalNorm(Device& device) {
  Tensors tensors(5);
  const auto starts = tensors.starts();
  std::vector<FloatsView> list;
  for (size_t i = 0; i < kCounts.size(); ++i) list.push_back({kCounts[i], starts[i]});
  float norm = 0;
  const Status status = device.globalNorm(static_cast<int64_t>(list.size()), list.data(), &norm);
  expect(status.isOk(), "globalNorm", status.message());
  return norm;
}

/// Variables and averages after a step, of matrices in three shapes.
std::vector<float> muon(Device& device) {
  const NewtonSchulzMatrices shapes[] = {{1, 24, 40}, {2, 33, 17}, {3, 40, 24}, {1, 1, 9}};
  std::vector<std::vector<float>> variables, gradients, averages;
  std::vector<MuonTensor> tensors;
  for (const NewtonSchulzMatrices& shape : shapes) {
    Random random(static_cast<uint64_t>(shape.count()));
    variables.push_back(random.floats(shape.count()));
    gradients.push_back(random.floats(shape.count()));
    averages.push_back(random.floats(shape.count()));
  }
  for (size_t i = 0; i < variables.size(); ++i) {
    tensors.push_back(
        {shapes[i], 0.5f, variables[i].data(), gradients[i].data(), averages[i].data()});
  }
  MuonStep step;
  step.learningRate = 0.1f;
  step.kept = 0.9f;
  step.newtonSchulz = {{3.4445f, -4.775f, 2.0315f}, {3, -4, 2}};
  const Status status = muonStep(device, step, tensors);
  expect(status.isOk(), "muonStep", status.message());
  std::vector<float> result;
  for (const auto& list : {variables, averages}) {
    for (const auto& values : list) result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

}  // namespace

void testOptimizerKernels(Device& device) {
  double squares = 0;
  for (const float x : Tensors(5).data) squares += double{x} * x;
  forEachIsa([&](const std::string& isa) {
    const double error = adamWError(adamW(device));
    expect(error < 3e-7, isa + " AdamW", "error is " + std::to_string(error));
    const double norm = globalNorm(device) / std::sqrt(squares);
    expect(std::fabs(norm - 1) < 2e-7, isa + " global norm", "off by " + std::to_string(norm - 1));
    expectSameForAnyThreads(isa + " AdamW", [&] { return adamW(device); });
    expectSameForAnyThreads(isa + " global norm",
                            [&] { return std::vector<float>{globalNorm(device)}; });
    expectSameForAnyThreads(isa + " Muon", [&] { return muon(device); });
  });
}

}  // namespace fastweight::test
