#include "core/scan_state.h"

#include <algorithm>
#include <utility>

#include "fastweight/gradient_products.h"

namespace fastweight {
namespace {

constexpr size_t kFloat = sizeof(float);
/// Of what a forward may keep, the share that recomputed iterates may take.
constexpr size_t kIterateShare = 64;

/// Tokens of the program's longest step, at least 1.
int64_t longestStep(const Program& program) {
  int64_t longest = 1;
  for (const ProgramStep& step : program) longest = std::max(longest, step.tokens());
  return longest;
}

}  // namespace

ScanEngine::ScanEngine(Device& device_, const ScanShape& shape_, const Program& program,
                       const ScanOptions& options_, const ScanInputs& inputs_)
    : device(device_),
      shape(shape_),
      options(options_),
      inputs(inputs_),
      tile(std::min(longestStep(program), device_.tileTokens(shape_.rows, shape_.hiddenDim))) {
  if (!hasMuon()) return;
  const NewtonSchulzMatrices w02{2 * shape.rows, shape.hiddenDim, shape.keyDim};
  const NewtonSchulzMatrices w1{shape.rows, shape.valueDim, shape.hiddenDim};
  const bool oneShape = w02.shorter() == w1.shorter() && w02.longer() == w1.longer();
  const auto add = [&](std::vector<NewtonSchulzMatrices> groups) {
    newtonSchulz_.emplace_back(device, options.newtonSchulz, std::move(groups),
                               options.newtonSchulzEpsilon, options.newtonSchulzMethod);
  };
  if (oneShape) {
    add({w02, w1});
  } else {
    add({w02});
    add({w1});
  }
}

void ScanEngine::gather(const FastWeights<const float>& weights, const WeightSet& set) const {
  const size_t matrix = static_cast<size_t>(shape.hiddenDim * shape.keyDim);
  for (int64_t row = 0; row < shape.rows; ++row) {
    float* w02 = set.data() + row * 2 * static_cast<int64_t>(matrix);
    device.copy(w02, weights.w0 + row * static_cast<int64_t>(matrix), matrix * kFloat);
    device.copy(w02 + matrix, weights.w2 + row * static_cast<int64_t>(matrix), matrix * kFloat);
  }
  device.copy(set.data1(), weights.w1, static_cast<size_t>(WeightSet::floats1(shape)) * kFloat);
}

void ScanEngine::scatter(const WeightSet& set, const FastWeights<float>& weights) const {
  const size_t matrix = static_cast<size_t>(shape.hiddenDim * shape.keyDim);
  for (int64_t row = 0; row < shape.rows; ++row) {
    const float* w02 = set.data() + row * 2 * static_cast<int64_t>(matrix);
    device.copy(weights.w0 + row * static_cast<int64_t>(matrix), w02, matrix * kFloat);
    device.copy(weights.w2 + row * static_cast<int64_t>(matrix), w02 + matrix, matrix * kFloat);
  }
  device.copy(weights.w1, set.data1(), static_cast<size_t>(WeightSet::floats1(shape)) * kFloat);
}

void ScanEngine::rowNorms(const WeightSet& set, float* norms) const {
  const int64_t rows02 = WeightSet::normRows02(shape);
  device.rowNorms(rows02, shape.keyDim, set.data(), norms);
  device.rowNorms(shape.rows * shape.valueDim, shape.hiddenDim, set.data1(), norms + rows02);
}

void ScanEngine::gatherNorms(const FastWeights<const float>& from, float* norms) const {
  const int64_t hidden = shape.hiddenDim, rows02 = WeightSet::normRows02(shape);
  const size_t bytes = static_cast<size_t>(hidden) * kFloat;
  for (int64_t row = 0; row < shape.rows; ++row) {
    device.copy(norms + 2 * row * hidden, from.w0 + row * hidden, bytes);
    device.copy(norms + (2 * row + 1) * hidden, from.w2 + row * hidden, bytes);
  }
  device.copy(norms + rows02, from.w1, static_cast<size_t>(shape.rows * shape.valueDim) * kFloat);
}

void ScanEngine::scatterNorms(const float* norms, const FastWeights<float>& to) const {
  const int64_t hidden = shape.hiddenDim, rows02 = WeightSet::normRows02(shape);
  const size_t bytes = static_cast<size_t>(hidden) * kFloat;
  for (int64_t row = 0; row < shape.rows; ++row) {
    device.copy(to.w0 + row * hidden, norms + 2 * row * hidden, bytes);
    device.copy(to.w2 + row * hidden, norms + (2 * row + 1) * hidden, bytes);
  }
  device.copy(to.w1, norms + rows02, static_cast<size_t>(shape.rows * shape.valueDim) * kFloat);
}

double ScanEngine::meanMomentum(const ProgramStep& step, float* betas) const {
  device.sumRows(shape.rows, step.tokens(), shape.tokens, inputs.momentum + step.start, betas);
  double tokens = static_cast<double>(step.tokens());
  if (ranks() > 1) {
    float count = static_cast<float>(tokens);
    device.copyFromHost(betas + shape.rows, &count, kFloat);
    options.communicator->sum(shape.rows + 1, betas);
    device.copyToHost(&count, betas + shape.rows, kFloat);
    tokens = count;
  }
  device.axpby(shape.rows, static_cast<float>(1.0 / tokens), betas, 0, betas);
  return tokens;
}

int64_t ScanEngine::newtonSchulzForwardFloats() const {
  int64_t most = 0;
  for (const NewtonSchulz& each : newtonSchulz_) most = std::max(most, each.forwardFloats());
  return most;
}

int64_t ScanEngine::newtonSchulzIterateFloats() const {
  int64_t total = 0;
  for (const NewtonSchulz& each : newtonSchulz_) {
    total += Workspace::aligned(each.iterateFloats());
  }
  return total;
}

int64_t ScanEngine::newtonSchulzBackwardFloats() const {
  int64_t most = 0;
  for (const NewtonSchulz& each : newtonSchulz_) most = std::max(most, each.backwardFloats());
  return most;
}

void ScanEngine::newtonSchulzForward(const WeightSet& d, const WeightSet& out,
                                     float* workspace) const {
  newtonSchulz_[0].forward(d.data(), out.data(), workspace);
  if (newtonSchulz_.size() > 1) newtonSchulz_[1].forward(d.data1(), out.data1(), workspace);
}

void ScanEngine::newtonSchulzForwardKeeping(const WeightSet& d, const WeightSet& out,
                                            float* iterates) const {
  newtonSchulz_[0].forwardKeeping(d.data(), out.data(), iterates);
  if (newtonSchulz_.size() == 1) return;
  iterates += Workspace::aligned(newtonSchulz_[0].iterateFloats());
  newtonSchulz_[1].forwardKeeping(d.data1(), out.data1(), iterates);
}

void ScanEngine::newtonSchulzBackward(const float* iterates, const WeightSet& outCotangent,
                                      const WeightSet& dCotangent, float* workspace) const {
  newtonSchulz_[0].backward(iterates, outCotangent.data(), dCotangent.data(), workspace);
  if (newtonSchulz_.size() == 1) return;
  iterates += Workspace::aligned(newtonSchulz_[0].iterateFloats());
  newtonSchulz_[1].backward(iterates, outCotangent.data1(), dCotangent.data1(), workspace);
}

std::vector<WeightRows> ScanEngine::allRows() const {
  const int64_t rows02 = WeightSet::normRows02(shape);
  return {{0, 0, rows02, shape.keyDim},
          {WeightSet::floats02(shape), rows02, shape.rows * shape.valueDim, shape.hiddenDim}};
}

std::vector<NewtonSchulzPart> ScanEngine::newtonSchulzParts() const {
  const int64_t most = static_cast<int64_t>(device.keptBytesLimit() / kIterateShare / kFloat);
  std::vector<NewtonSchulzPart> parts;
  for (const WeightRows& all : allRows()) {
    const int64_t height = all.normRow == 0 ? shape.hiddenDim : shape.valueDim;
    const auto iterationOf = [&](int64_t matrices) {
      return NewtonSchulz(device, options.newtonSchulz, {{matrices, height, all.columns}},
                          options.newtonSchulzEpsilon, NewtonSchulzMethod::kStandard);
    };
    const int64_t together = std::max<int64_t>(1, most / iterationOf(1).iterateFloats());
    for (int64_t row = 0; row < all.rows; row += together * height) {
      const int64_t rows = std::min(together * height, all.rows - row);
      const WeightRows some{all.offset + row * all.columns, all.normRow + row, rows, all.columns};
      parts.push_back({some, iterationOf(rows / height)});
    }
  }
  return parts;
}

void ScanEngine::queue(const ReplayKey& key, const std::function<void()>& pass) const {
  if (ranks() > 1) {
    pass();
  } else {
    device.queueReplayable(key, pass);
  }
}

Gemm ScanEngine::tokenProduct(int64_t tokens, int64_t n, int64_t k, ConstMatrices a,
                              ConstMatrices b, bool transposeB, Matrices c, float beta) const {
  Gemm gemm = fastweight::tokenProduct(shape.rows, tokens, n, k, a, b, transposeB, c);
  gemm.beta = beta;
  return gemm;
}

Gemm ScanEngine::weightProduct(int64_t tokens, int64_t m, int64_t n, ConstMatrices a,
                               ConstMatrices b, Matrices c, float beta) const {
  Gemm gemm;
  gemm.batch = shape.rows;
  gemm.m = m;
  gemm.n = n;
  gemm.k = tokens;
  gemm.transposeA = true;
  gemm.beta = beta;
  gemm.a = a;
  gemm.b = b;
  gemm.c = c;
  return gemm;
}

}  // namespace fastweight
