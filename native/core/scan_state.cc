#include "core/scan_state.h"

#include <algorithm>

namespace fastweight {
namespace {

constexpr size_t kFloat = sizeof(float);

}  // namespace

ScanEngine::ScanEngine(Device& device_, const ScanShape& shape_, const ScanOptions& options_,
                       const ScanInputs& inputs_)
    : device(device_),
      shape(shape_),
      options(options_),
      inputs(inputs_),
      tile(std::min(std::max<int64_t>(1, shape_.tokens),
                    device_.tileTokens(shape_.rows, shape_.hiddenDim))) {}

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

NewtonSchulz ScanEngine::newtonSchulz02() const {
  return NewtonSchulz(device, options.newtonSchulz,
                      {{2 * shape.rows, shape.hiddenDim, shape.keyDim}},
                      options.newtonSchulzEpsilon);
}

NewtonSchulz ScanEngine::newtonSchulz1() const {
  return NewtonSchulz(device, options.newtonSchulz, {{shape.rows, shape.valueDim, shape.hiddenDim}},
                      options.newtonSchulzEpsilon);
}

NewtonSchulz ScanEngine::newtonSchulzTogether() const {
  return NewtonSchulz(device, options.newtonSchulz,
                      {{2 * shape.rows, shape.hiddenDim, shape.keyDim},
                       {shape.rows, shape.valueDim, shape.hiddenDim}},
                      options.newtonSchulzEpsilon);
}

int64_t ScanEngine::newtonSchulzForwardFloats() const {
  if (!hasMuon()) return 0;
  if (oneShape()) return newtonSchulzTogether().forwardFloats();
  return std::max(newtonSchulz02().forwardFloats(), newtonSchulz1().forwardFloats());
}

int64_t ScanEngine::newtonSchulzBackwardFloats() const {
  if (!hasMuon()) return 0;
  if (oneShape()) return newtonSchulzTogether().backwardFloats();
  return std::max(newtonSchulz02().backwardFloats(), newtonSchulz1().backwardFloats());
}

void ScanEngine::newtonSchulzForward(const WeightSet& d, const WeightSet& out,
                                     float* workspace) const {
  if (oneShape()) {
    newtonSchulzTogether().forward(d.data(), out.data(), workspace);
    return;
  }
  newtonSchulz02().forward(d.data(), out.data(), workspace);
  newtonSchulz1().forward(d.data1(), out.data1(), workspace);
}

void ScanEngine::newtonSchulzBackward(const WeightSet& d, const WeightSet& outCotangent,
                                      const WeightSet& dCotangent, float* workspace) const {
  if (oneShape()) {
    newtonSchulzTogether().backward(d.data(), outCotangent.data(), dCotangent.data(), workspace);
    return;
  }
  newtonSchulz02().backward(d.data(), outCotangent.data(), dCotangent.data(), workspace);
  newtonSchulz1().backward(d.data1(), outCotangent.data1(), dCotangent.data1(), workspace);
}

Gemm ScanEngine::tokenProduct(int64_t tokens, int64_t n, int64_t k, ConstMatrices a,
                              ConstMatrices b, bool transposeB, Matrices c, float beta) const {
  Gemm gemm;
  gemm.batch = shape.rows;
  gemm.m = tokens;
  gemm.n = n;
  gemm.k = k;
  gemm.transposeB = transposeB;
  gemm.beta = beta;
  gemm.a = a;
  gemm.b = b;
  gemm.c = c;
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

std::unique_ptr<ScanTape> ScanTape::create(Device& device, const ScanShape& shape,
                                           const ScanOptions& options, int64_t updates) {
  const int64_t sets = options.weightNorm == WeightNorm::kPre ? 3 : 2;
  const int64_t setFloats = Workspace::aligned(WeightSet::floats(shape));
  const size_t bytes = static_cast<size_t>(updates * sets * setFloats) * kFloat;
  auto* memory = static_cast<float*>(device.allocate(bytes));
  if (memory == nullptr) return nullptr;
  return std::unique_ptr<ScanTape>(new ScanTape(device, memory, bytes, sets, setFloats));
}

ScanTape::~ScanTape() { device_.release(memory_, bytes_); }

}  // namespace fastweight
