// Context parallelism: ranks that each hold a part of every chunk's tokens give what one rank gives
// that holds them all. The ranks are threads.
#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "check.h"
#include "fastweight/fast_weight_scan.h"

namespace fastweight::test {
namespace {

/// What the ranks of one group share.
class Meeting {
 public:
  explicit Meeting(int ranks) : ranks_(ranks), parts_(static_cast<size_t>(ranks)) {}

  int ranks() const { return ranks_; }

  void sum(int rank, int64_t count, float* data) {
    parts_[static_cast<size_t>(rank)].assign(data, data + count);
    wait();
    for (int64_t i = 0; i < count; ++i) {
      float total = 0;
      for (const std::vector<float>& part : parts_) total += part.at(static_cast<size_t>(i));
      data[i] = total;
    }
    wait();
  }

 private:
  /// Returns once all ranks have called it.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    const int64_t round = round_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++round_;
      all_.notify_all();
    } else {
      all_.wait(lock, [&] { return round_ != round; });
    }
  }

  const int ranks_;
  std::vector<std::vector<float>> parts_;
  std::mutex mutex_;
  std::condition_variable all_;
  int arrived_ = 0;
  int64_t round_ = 0;
};

class FakeCommunicator final : public Communicator {
 public:
  FakeCommunicator(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.ranks(); }
  void sum(int64_t count, float* data) override { meeting_.sum(rank_, count, data); }

 private:
  Meeting& meeting_;
  const int rank_;
};

constexpr int64_t kRows = 2, kKeyDim = 6, kHiddenDim = 8, kValueDim = 5, kChunk = 11, kChunks = 3;
constexpr int64_t kTokens = kChunk * kChunks;

struct Case {
  std::string name;
  WeightNorm weightNorm;
  bool detachNorm, momentum, muon;
  ScanMemory memory;
  /// Tokens of a chunk that each rank holds.
  std::vector<int64_t> parts;
};

/// Values by token [rows, tokens, columns].
struct Tokens {
  int64_t columns = 0;
  std::vector<float> data;

  /// Of each chunk the tokens [start, start + count), one behind the other.
  Tokens part(int64_t start, int64_t count) const {
    Tokens result{columns, {}};
    for (int64_t chunk = 0; chunk < kRows * kChunks; ++chunk) {
      const auto first = data.begin() + (chunk * kChunk + start) * columns;
      result.data.insert(result.data.end(), first, first + count * columns);
    }
    return result;
  }

  void setPart(int64_t start, int64_t count, const Tokens& part) {
    for (int64_t chunk = 0; chunk < kRows * kChunks; ++chunk) {
      const auto first = part.data.begin() + chunk * count * columns;
      std::copy(first, first + count * columns, data.begin() + (chunk * kChunk + start) * columns);
    }
  }
};

struct Weights {
  std::vector<float> w0, w1, w2;

  explicit Weights(uint64_t seed, float scale = 1) {
    Random random(seed);
    for (std::vector<float>* each : {&w0, &w2}) *each = random.floats(kRows * kHiddenDim * kKeyDim);
    w1 = random.floats(kRows * kValueDim * kHiddenDim);
    for (std::vector<float>* each : {&w0, &w1, &w2}) {
      for (float& value : *each) value *= scale;
    }
  }

  template <typename Float>
  FastWeights<Float> view() {
    FastWeights<Float> result;
    result.w0 = w0.data(), result.w1 = w1.data(), result.w2 = w2.data();
    return result;
  }
};

/// Everything by token: q, k, v, rates, momentum and the output's cotangent.
enum TokenValue { kQ, kK, kV, kRates, kMomentum, kOutputCotangent, kTokenValues };
constexpr int64_t kColumns[] = {kKeyDim, kKeyDim, kValueDim, 3, 1, kValueDim};

struct Problem {
  std::vector<Tokens> tokens;
  /// One rank's part of the final weights' cotangent.
  Weights weightsCotangent;

  Problem() : weightsCotangent(9, 0.1f) {
    Random random(7);
    for (const int64_t columns : kColumns) {
      tokens.push_back({columns, random.floats(kRows * kTokens * columns)});
    }
    for (float& rate : tokens[kRates].data) rate = 0.05f + 0.02f * rate;
    for (float& beta : tokens[kMomentum].data) beta = 0.6f + 0.3f * beta;
  }
};

/// Output, then gradients of q, k, v, rates and momentum; final weights and their gradient.
struct Result {
  Status status = Status::ok();
  std::vector<Tokens> tokens;
  Weights weights{0}, weightsGradient{0};
};

Program programOf(int64_t chunkTokens) {
  Program program;
  for (int64_t chunk = 0; chunk < kChunks; ++chunk) {
    const int64_t start = chunk * chunkTokens, end = start + chunkTokens;
    program.push_back({ProgramStep::Kind::kApply, start, end});
    program.push_back({ProgramStep::Kind::kUpdate, start, end});
  }
  program.push_back({ProgramStep::Kind::kApply, 0, kChunks * chunkTokens});
  return program;
}

/// The cotangent of the output, in which every token stands twice: each chunk is applied before its
/// update, and all tokens at the end.
std::vector<float> twice(const Tokens& values, int64_t tokens) {
  std::vector<float> result;
  const int64_t row = tokens * values.columns;
  for (int64_t r = 0; r < kRows; ++r) {
    const auto first = values.data.begin() + r * row;
    for (int copy = 0; copy < 2; ++copy) result.insert(result.end(), first, first + row);
  }
  return result;
}

Result run(const Case& test, Problem problem, int64_t chunkTokens, Communicator* communicator) {
  const std::unique_ptr<Device> device = createCpuDevice();
  const int64_t tokens = kChunks * chunkTokens;
  const ScanShape shape{kRows, tokens, kKeyDim, kHiddenDim, kValueDim};
  const Program program = programOf(chunkTokens);
  ScanOptions options;
  options.weightNorm = test.weightNorm;
  options.detachNorm = test.detachNorm;
  options.memory = test.memory;
  options.communicator = communicator;
  if (test.muon) options.newtonSchulz = {{3.4445f, -4.775f, 2.0315f}, {3, -4, 2}};

  Weights initial(3, 0.5f);
  ScanInputs inputs;
  inputs.weights = initial.view<const float>();
  inputs.q = problem.tokens[kQ].data.data();
  inputs.k = problem.tokens[kK].data.data();
  inputs.v = problem.tokens[kV].data.data();
  inputs.rates = problem.tokens[kRates].data.data();
  inputs.momentum = test.momentum ? problem.tokens[kMomentum].data.data() : nullptr;

  Result result;
  for (const int64_t columns :
       {2 * kValueDim, kKeyDim, kKeyDim, kValueDim, int64_t{3}, int64_t{1}}) {
    result.tokens.push_back(
        {columns, std::vector<float>(static_cast<size_t>(kRows * tokens * columns))});
  }
  ScanOutputs outputs;
  std::vector<float> output(static_cast<size_t>(kRows * 2 * tokens * kValueDim));
  outputs.output = output.data();
  outputs.weights = result.weights.view<float>();
  std::unique_ptr<ScanTape> tape;
  result.status = fastWeightScan(*device, shape, program, options, inputs, outputs, &tape);
  if (!result.status.isOk()) return result;

  ScanCotangents cotangents;
  const std::vector<float> outputCotangent = twice(problem.tokens[kOutputCotangent], tokens);
  cotangents.output = outputCotangent.data();
  cotangents.weights = problem.weightsCotangent.view<const float>();
  ScanGradients gradients;
  gradients.weights = result.weightsGradient.view<float>();
  gradients.q = result.tokens[1].data.data();
  gradients.k = result.tokens[2].data.data();
  gradients.v = result.tokens[3].data.data();
  gradients.rates = result.tokens[4].data.data();
  gradients.momentum = result.tokens[5].data.data();
  result.status = fastWeightScanBackward(*device, shape, program, options, inputs, *tape,
                                         cotangents, gradients);
  // Both applies of a token side by side.
  for (int64_t token = 0; token < kRows * tokens; ++token) {
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t row = token / tokens * 2 * tokens + half * tokens + token % tokens;
      for (int64_t column = 0; column < kValueDim; ++column) {
        result.tokens[0].data[static_cast<size_t>((token * 2 + half) * kValueDim + column)] =
            output[static_cast<size_t>(row * kValueDim + column)];
      }
    }
  }
  return result;
}

void expectClose(const std::string& what, const std::vector<float>& got,
                 const std::vector<float>& wanted, double limit) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    difference += std::pow(double{got[i]} - wanted[i], 2);
    size += std::pow(double{wanted[i]}, 2);
  }
  const double error = size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
  expect(got.size() == wanted.size() && error < limit, what,
         "relative error is " + std::to_string(error * 1e6) + "e-6");
}

void expectClose(const std::string& what, const Weights& got, const Weights& wanted, double limit) {
  expectClose(what + " w0", got.w0, wanted.w0, limit);
  expectClose(what + " w1", got.w1, wanted.w1, limit);
  expectClose(what + " w2", got.w2, wanted.w2, limit);
}

void testCase(const Case& test) {
  const Problem problem;
  Problem whole = problem;
  const size_t ranks = test.parts.size();
  // Each rank has the same cotangent of the final weights; their sum counts.
  for (std::vector<float>* each :
       {&whole.weightsCotangent.w0, &whole.weightsCotangent.w1, &whole.weightsCotangent.w2}) {
    for (float& value : *each) value *= static_cast<float>(ranks);
  }
  const Result wanted = run(test, whole, kChunk, nullptr);

  Meeting meeting(static_cast<int>(ranks));
  std::vector<Result> results(ranks);
  std::vector<std::thread> threads;
  int64_t start = 0;
  for (size_t rank = 0; rank < ranks; ++rank) {
    Problem part = problem;
    for (Tokens& values : part.tokens) values = values.part(start, test.parts[rank]);
    start += test.parts[rank];
    threads.emplace_back([&test, &meeting, &results, part, rank] {
      FakeCommunicator communicator(meeting, static_cast<int>(rank));
      results[rank] = run(test, part, test.parts[rank], &communicator);
    });
  }
  for (std::thread& thread : threads) thread.join();

  const double outputLimit = test.muon ? 2e-5 : 2e-6, gradientLimit = test.muon ? 2e-4 : 3e-6;
  const char* const names[] = {" output", " dq", " dk", " dv", " drates", " dmomentum"};
  for (size_t value = 0; value < wanted.tokens.size(); ++value) {
    Tokens got = wanted.tokens[value];
    start = 0;
    for (size_t rank = 0; rank < ranks; ++rank) {
      got.setPart(start, test.parts[rank], results[rank].tokens[value]);
      start += test.parts[rank];
    }
    expectClose(test.name + names[value], got.data, wanted.tokens[value].data,
                value == 0 ? outputLimit : gradientLimit);
  }
  for (const Result& result : results) {
    expect(result.status.isOk(), test.name, result.status.message());
    expectClose(test.name + " weights", result.weights, wanted.weights, outputLimit);
    expectClose(test.name + " dweights", result.weightsGradient, wanted.weightsGradient,
                gradientLimit);
  }
}

}  // namespace

void testCommunicator() {
  const std::vector<int64_t> two = {6, 5}, three = {2, 8, 1};
  const std::pair<WeightNorm, const char*> norms[] = {
      {WeightNorm::kPost, "post"}, {WeightNorm::kPre, "pre"}, {WeightNorm::kNone, "none"}};
  for (const auto& [norm, name] : norms) {
    for (const bool momentum : {false, true}) {
      for (const bool muon : {false, true}) {
        const std::string settings =
            std::string(name) + (momentum ? ", momentum" : "") + (muon ? ", muon" : "") + " over ";
        testCase({settings + "2 ranks", norm, true, momentum, muon, ScanMemory::kStore, two});
        testCase(
            {settings + "3 ranks", norm, false, momentum, muon, ScanMemory::kRecompute, three});
      }
    }
  }
}

}  // namespace fastweight::test
