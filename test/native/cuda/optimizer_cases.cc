// The passes of optimizers over many tensors.
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

std::vector<int64_t> countsOf(int64_t tensors) {
  std::vector<int64_t> counts = {1, 4097, 7, 8192, 0, 33};
  while (static_cast<int64_t>(counts.size()) < tensors) counts.push_back(3 + counts.size() % 5);
  counts.resize(static_cast<size_t>(tensors));
  return counts;
}

void addAdamW(DeviceCases* cases, int64_t tensors) {
  cases->push_back({"AdamW of " + std::to_string(tensors) + " tensors", [=](DeviceRun& run) {
                      Random random(1);
                      AdamWStep step;
                      step.beta1 = 0.9f, step.oneMinusBeta1 = 0.1f;
                      step.beta2 = 0.99f, step.oneMinusBeta2 = 0.01f;
                      step.epsilon = 1e-6f, step.kept = 0.95f, step.rate = 0.02f;
                      step.secondCorrection = 0.3f;
                      std::vector<AdamWTensor> all;
                      for (const int64_t count : countsOf(tensors)) {
                        std::vector<float> second = random.floats(count);
                        for (float& value : second) value *= value;
                        AdamWTensor tensor;
                        tensor.count = count;
                        tensor.variable = run.inOut(random.floats(count));
                        tensor.gradient = run.input(random.floats(count));
                        tensor.first = run.inOut(random.floats(count));
                        tensor.second = run.inOut(second);
                        all.push_back(tensor);
                      }
                      run.device().adamW(step, tensors, all.data());
                    }});
}

void addGlobalNorm(DeviceCases* cases, int64_t tensors) {
  cases->push_back({"global norm of " + std::to_string(tensors) + " tensors", [=](DeviceRun& run) {
                      Random random(2);
                      std::vector<FloatsView> all;
                      for (const int64_t count : countsOf(tensors)) {
                        all.push_back({count, run.input(random.floats(count))});
                      }
                      const Status status =
                          run.device().globalNorm(tensors, all.data(), run.floats(1));
                      expect(status.isOk(), "global norm", status.message());
                    }});
}

}  // namespace

void addOptimizerCases(DeviceCases* cases) {
  for (const int64_t tensors : {0, 6, 600}) {
    addAdamW(cases, tensors);
    addGlobalNorm(cases, tensors);
  }
  for (const bool nesterov : {false, true}) {
    cases->push_back(
        {nesterov ? "Muon's momentum, Nesterov's" : "Muon's momentum", [=](DeviceRun& run) {
           Random random(3);
           MuonMomentum m;
           m.count = 1031;
           m.momentum = 0.95f;
           m.oneMinusMomentum = 0.05f;
           m.nesterov = nesterov;
           m.gradient = run.input(random.floats(m.count));
           m.average = run.inOut(random.floats(m.count));
           m.direction = run.floats(m.count);
           run.device().muonMomentum(m);
         }});
  }
}

}  // namespace fastweight::test
