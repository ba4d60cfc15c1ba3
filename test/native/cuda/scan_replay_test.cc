// Scans that a device queues again: forward and backward give bit for bit what they give on a
// device that meets them for the first time, with new values in the same memory.
#include "cuda/cuda_device.h"
#include "cuda_emulation/graphs.h"
#include "cuda_emulation/memory_pools.h"
#include "cuda_tests.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight::test {
namespace {

constexpr int64_t kRows = 2, kTokens = 21;

struct Case {
  std::string name;
  ScanShape shape{kRows, kTokens, 4, 6, 3};
  int64_t chunk = 7;
  WeightNorm weightNorm = WeightNorm::kPost;
  bool momentum = false, muon = false, gram = false, detachNorm = false;
  /// Whether it goes on from a state: norms, main weights, momenta.
  bool goesOn = false;
  ScanMemory memory = ScanMemory::kStore;
  MatmulPrecision precision = MatmulPrecision::kFloat32;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = [] {
    std::vector<Case> list(5);
    list[0].name = "plain steps";
    list[0].weightNorm = WeightNorm::kNone;
    list[1].name = "Muon and momentum";
    list[1].momentum = list[1].muon = true;
    list[2] = list[1];
    list[2].name = "main weights, a state, activations kept";
    list[2].weightNorm = WeightNorm::kPre;
    list[2].goesOn = true;
    list[2].memory = ScanMemory::kActivations;
    list[3] = list[1];
    list[3].name = "all computed again";
    list[3].memory = ScanMemory::kRecompute;
    list[3].detachNorm = true;
    list[4] = list[3];
    list[4].name = "bfloat16";
    list[4].precision = MatmulPrecision::kBfloat16;
    // Rows of 16 bytes, which the products of warpgroups ask for; few, as those take their time
    // here.
    list[4].shape = {kRows, kTokens, 8, 8, 8};
    list[4].chunk = kTokens;
    return list;
  }();
  return all;
}

Program programOf(int64_t chunk) {
  Program program;
  for (int64_t start = 0; start < kTokens; start += chunk) {
    const int64_t end = std::min(start + chunk, kTokens);
    program.push_back({ProgramStep::Kind::kApply, start, end});
    program.push_back({ProgramStep::Kind::kUpdate, start, end});
  }
  return program;
}

/// A scan's inputs, results, cotangents and gradients in a device's memory.
class Scan {
 public:
  Scan(Device& device, const Case& which) : device_(device), case_(which) {
    const ScanShape& shape = which.shape;
    const Counts weights{kRows * shape.hiddenDim * shape.keyDim,
                         kRows * shape.valueDim * shape.hiddenDim};
    const Counts norms{kRows * shape.hiddenDim, kRows * shape.valueDim};
    const int64_t tokens = kRows * kTokens;
    const bool hasMain = which.weightNorm == WeightNorm::kPre;
    inputs_.weights = setIn(weights, 0, 0.4f);
    inputs_.q = in(tokens * shape.keyDim, 0, 1);
    inputs_.k = in(tokens * shape.keyDim, 0, 1);
    inputs_.v = in(tokens * shape.valueDim, 0, 1);
    inputs_.rates = in(tokens * 3, 0.05f, 0.02f);
    if (which.momentum) inputs_.momentum = in(tokens, 0.6f, 0.3f);
    if (which.goesOn) {
      inputs_.norms = setIn(norms, 1, 0.5f);
      if (hasMain) inputs_.mainWeights = setIn(weights, 0, 0.4f);
      inputs_.momenta = setIn(weights, 0, 0.1f);
    }
    outputs_.output = out(tokens * shape.valueDim);
    outputs_.weights = setOut(weights);
    if (hasMain) outputs_.mainWeights = setOut(weights);
    if (which.momentum) outputs_.momenta = setOut(weights);
    if (which.weightNorm != WeightNorm::kNone) outputs_.norms = setOut(norms);
    cotangents_.output = in(tokens * shape.valueDim, 0, 1);
    cotangents_.weights = setIn(weights, 0, 0.1f);
    gradients_.weights = setOut(weights);
    gradients_.q = out(tokens * shape.keyDim);
    gradients_.k = out(tokens * shape.keyDim);
    gradients_.v = out(tokens * shape.valueDim);
    gradients_.rates = out(tokens * 3);
    if (which.momentum) gradients_.momentum = out(tokens);
    if (which.goesOn) {
      gradients_.norms = setOut(norms);
      if (hasMain) gradients_.mainWeights = setOut(weights);
      gradients_.momenta = setOut(weights);
    }
    options_.weightNorm = which.weightNorm;
    options_.detachNorm = which.detachNorm;
    options_.memory = which.memory;
    if (which.muon) options_.newtonSchulz = {{3.4445f, -4.775f, 2.0315f}};
  }
  ~Scan() {
    for (const Array& each : arrays_) device_.release(each.memory, bytesOf(each));
  }
  Scan(const Scan&) = delete;
  Scan& operator=(const Scan&) = delete;

  /// New values for all inputs.
  void write(uint64_t seed) {
    Random random(seed);
    for (const Array& each : arrays_) {
      if (!each.isInput) continue;
      std::vector<float> values = random.floats(each.count);
      for (float& value : values) value = each.mean + each.scale * value;
      device_.copyFromHost(each.memory, values.data(), bytesOf(each));
    }
  }

  /// All results and gradients.
  std::vector<float> run(int64_t chunk) {
    device_.setMatmulPrecision(case_.precision);
    const Program program = programOf(chunk);
    std::unique_ptr<ScanTape> tape;
    expectOk(fastWeightScan(device_, case_.shape, program, options_, inputs_, outputs_, &tape));
    expectOk(fastWeightScanBackward(device_, case_.shape, program, options_, inputs_, *tape,
                                    cotangents_, gradients_));
    std::vector<float> all;
    for (const Array& each : arrays_) {
      if (each.isInput) continue;
      std::vector<float> values(static_cast<size_t>(each.count));
      device_.copyToHost(values.data(), each.memory, bytesOf(each));
      all.insert(all.end(), values.begin(), values.end());
      device_.zero(each.memory, bytesOf(each));
    }
    return all;
  }

  /// The final weights of a forward without a tape, by Newton-Schulz's other method.
  std::vector<float> runForward() {
    ScanOptions options = options_;
    options.newtonSchulzMethod = NewtonSchulzMethod::kGram;
    device_.setMatmulPrecision(case_.precision);
    expectOk(fastWeightScan(device_, case_.shape, programOf(case_.chunk), options, inputs_,
                            outputs_, nullptr));
    std::vector<float> values(kRows * case_.shape.hiddenDim * case_.shape.keyDim);
    device_.copyToHost(values.data(), outputs_.weights.w2, values.size() * sizeof(float));
    return values;
  }

 private:
  struct Array {
    float* memory;
    int64_t count;
    bool isInput;
    float mean, scale;
  };
  /// Counts of w0 and w2, and of w1.
  using Counts = std::pair<int64_t, int64_t>;

  static size_t bytesOf(const Array& array) {
    return static_cast<size_t>(array.count) * sizeof(float);
  }
  void expectOk(const Status& status) const { expect(status.isOk(), case_.name, status.message()); }

  float* add(Array array) {
    array.memory = static_cast<float*>(device_.allocate(bytesOf(array)));
    arrays_.push_back(array);
    return array.memory;
  }
  float* in(int64_t count, float mean, float scale) {
    return add({nullptr, count, true, mean, scale});
  }
  float* out(int64_t count) { return add({nullptr, count, false, 0, 0}); }
  FastWeights<const float> setIn(const Counts& counts, float mean, float scale) {
    FastWeights<const float> set;
    set.w0 = in(counts.first, mean, scale);
    set.w1 = in(counts.second, mean, scale);
    set.w2 = in(counts.first, mean, scale);
    return set;
  }
  FastWeights<float> setOut(const Counts& counts) {
    FastWeights<float> set;
    set.w0 = out(counts.first);
    set.w1 = out(counts.second);
    set.w2 = out(counts.first);
    return set;
  }

  Device& device_;
  const Case& case_;
  std::vector<Array> arrays_;
  ScanOptions options_;
  ScanInputs inputs_;
  ScanOutputs outputs_;
  ScanCotangents cotangents_;
  ScanGradients gradients_;
};

std::unique_ptr<Device> newDevice() {
  std::unique_ptr<Device> device;
  expect(cuda::CudaDevice::create(0, &device).isOk(), "a device of its own");
  return device;
}

void testCase(const Case& which) {
  const uint64_t seeds[] = {1, 2};
  std::vector<float> wanted[2], wantedForward[2];
  for (int i = 0; i < 2; ++i) {
    const auto device = newDevice();
    Scan scan(*device, which);
    scan.write(seeds[i]);
    wanted[i] = scan.run(which.chunk);
    wantedForward[i] = scan.runForward();
  }
  expect(wanted[0] != wanted[1], which.name + ": other values, other results");
  const size_t bytesBefore = cuda_emulation::poolBytesInUse();
  {
    const auto device = newDevice();
    Scan scan(*device, which);
    for (const int i : {0, 1, 1, 0}) {
      scan.write(seeds[i]);
      expect(scan.run(which.chunk) == wanted[i],
             which.name + ": a scan and its backward, queued again");
      expect(scan.runForward() == wantedForward[i], which.name + ": a forward, queued again");
    }
    const auto before = cuda_emulation::graphCounts();
    scan.run(which.chunk);
    scan.runForward();
    auto after = cuda_emulation::graphCounts();
    expect(after.launched == before.launched + 3 && after.instantiated == before.instantiated,
           which.name + ": three graphs are launched",
           std::to_string(after.launched - before.launched));
    scan.run(which.chunk - 1);
    after = cuda_emulation::graphCounts();
    expect(after.launched == before.launched + 3, which.name + ": another program is other work");
  }
  expect(cuda_emulation::graphCounts().alive == 0, which.name + ": no graph is left");
  expect(cuda_emulation::poolBytesInUse() == bytesBefore, which.name + ": no memory is left");
}

}  // namespace

void testScanReplays() {
  for (const Case& each : cases()) testCase(each);
}

}  // namespace fastweight::test
