// Matrix products against a triple loop in double precision, on every instruction set.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "check.h"

namespace fastweight::test {
namespace {

/// What no result holds; it surrounds results, which must leave it alone.
constexpr float kUntouched = 12345.0f;

struct Case {
  int64_t batch, m, n, k;
  bool transposeA, transposeB;
  float alpha, beta;
  bool perBatchBeta;
  int64_t padding;  // floats between rows
  bool shareB;      // one b for the whole batch (stride 0)
};

std::string describe(const Case& c) {
  char text[160];
  std::snprintf(text, sizeof text, "%lld x [%lld, %lld, %lld] %s%s alpha %g beta %g%s pad %lld%s",
                static_cast<long long>(c.batch), static_cast<long long>(c.m),
                static_cast<long long>(c.n), static_cast<long long>(c.k), c.transposeA ? "T" : "N",
                c.transposeB ? "T" : "N", c.alpha, c.beta, c.perBatchBeta ? " per batch" : "",
                static_cast<long long>(c.padding), c.shareB ? " shared b" : "");
  return text;
}

/// A batch of matrices with padding between rows, in memory that ends with the last entry.
struct Batch {
  int64_t rows, columns, leading, stride;
  std::vector<float> data;

  Batch(int64_t batch, int64_t rows, int64_t columns, int64_t padding)
      : rows(rows), columns(columns), leading(columns + padding), stride(rows * leading + padding) {
    const int64_t last = rows == 0 || columns == 0 ? 0 : (rows - 1) * leading + columns;
    data.assign(static_cast<size_t>(last == 0 ? 0 : (batch - 1) * stride + last), kUntouched);
  }
  float& at(int64_t b, int64_t i, int64_t j) {
    return data[static_cast<size_t>(b * stride + i * leading + j)];
  }
  void fill(int64_t batch, Random& random) {
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) at(b, i, j) = random.next();
      }
    }
  }
};

struct Problem {
  Case shape;
  Batch a, b, c;
  std::vector<float> betas;

  explicit Problem(const Case& s)
      : shape(s),
        a(s.batch, s.transposeA ? s.k : s.m, s.transposeA ? s.m : s.k, s.padding),
        b(s.shareB ? 1 : s.batch, s.transposeB ? s.n : s.k, s.transposeB ? s.k : s.n, s.padding),
        c(s.batch, s.m, s.n, s.padding) {
    Random random(static_cast<uint64_t>(s.m * 131 + s.n * 17 + s.k));
    a.fill(s.batch, random);
    b.fill(s.shareB ? 1 : s.batch, random);
    c.fill(s.batch, random);
    if (s.beta == 0 && !s.perBatchBeta) {  // what is not read may be anything
      for (float& value : c.data) {
        if (value != kUntouched) value = std::numeric_limits<float>::quiet_NaN();
      }
    }
    for (int64_t i = 0; i < s.batch; ++i) betas.push_back(s.beta + 0.25f * static_cast<float>(i));
  }

  std::vector<float> run(Device& device, const Epilogue& epilogue = {}) const {
    std::vector<float> result = c.data;
    Gemm gemm;
    gemm.batch = shape.batch, gemm.m = shape.m, gemm.n = shape.n, gemm.k = shape.k;
    gemm.transposeA = shape.transposeA, gemm.transposeB = shape.transposeB;
    gemm.alpha = shape.alpha, gemm.beta = shape.beta;
    gemm.betas = shape.perBatchBeta ? betas.data() : nullptr;
    gemm.a = {a.data.data(), a.leading, a.stride};
    gemm.b = {b.data.data(), b.leading, shape.shareB ? 0 : b.stride};
    gemm.c = {result.data(), c.leading, c.stride};
    gemm.epilogue = epilogue;
    device.gemm(gemm);
    return result;
  }

  /// The worst share of the bound that an entry's error takes; above 1 is wrong. The bound is that
  /// of sums of at most 256 + k / 256 roundings.
  double worstShare(const std::vector<float>& result) {
    const double epsilon = 0.5 * std::numeric_limits<float>::epsilon();
    const double roundings = std::min<double>(static_cast<double>(shape.k), 256.0) +
                             static_cast<double>(shape.k) / 256.0 + 4.0;
    double worst = 0;
    Batch got = c;
    got.data = result;
    for (int64_t i = 0; i < shape.batch; ++i) {
      for (int64_t row = 0; row < shape.m; ++row) {
        for (int64_t column = 0; column < shape.n; ++column) {
          const double beta = shape.perBatchBeta ? betas[static_cast<size_t>(i)] : shape.beta;
          double sum = 0, magnitude = 0;
          for (int64_t p = 0; p < shape.k; ++p) {
            const double x = shape.transposeA ? a.at(i, p, row) : a.at(i, row, p);
            const int64_t j = shape.shareB ? 0 : i;
            const double y = shape.transposeB ? b.at(j, column, p) : b.at(j, p, column);
            sum += x * y;
            magnitude += std::fabs(x * y);
          }
          const double before = beta == 0 ? 0 : beta * c.at(i, row, column);
          const double wanted = shape.alpha * sum + before;
          const double bound = epsilon * (roundings * std::fabs(shape.alpha) * magnitude +
                                          roundings * std::fabs(before)) +
                               1e-30;
          const double error = std::fabs(got.at(i, row, column) - wanted);
          worst = std::max(worst, error <= bound ? error / bound : std::max(error / bound, 2.0));
          if (!(error <= bound)) worst = std::max(worst, 2.0);
          got.at(i, row, column) = kUntouched;
        }
      }
    }
    for (const float value : got.data) {
      if (value != kUntouched) worst = 1e9;  // wrote between rows
    }
    return worst;
  }
};

std::vector<Case> cases() {
  std::vector<Case> list;
  const int64_t sizes[][3] = {
      {1, 1, 1},    {1, 1, 300},  {1, 37, 5},    {5, 1, 64},    {3, 2, 1},     {2, 33, 40},
      {12, 32, 16}, {13, 31, 17}, {11, 48, 257}, {25, 33, 256}, {24, 64, 513}, {49, 17, 31},
      {7, 100, 90}, {64, 3, 128}, {130, 70, 33}, {37, 129, 65}, {4, 300, 300}, {97, 95, 1030},
      {0, 5, 3},    {5, 0, 3},    {6, 35, 0},    {33, 16, 2100}};
  int turn = 0;
  for (const auto& size : sizes) {
    for (int transposes = 0; transposes < 4; ++transposes) {
      Case c{1 + turn % 3,          size[0], size[1], size[2], (transposes & 1) != 0,
             (transposes & 2) != 0, 1.0f,    0.0f,    false,   turn % 2 == 0 ? 0 : 1 + turn % 5,
             turn % 7 == 3};
      if (turn % 4 == 1) c.beta = 1.0f;
      if (turn % 4 == 2) c.alpha = -0.5f, c.beta = 0.75f;
      c.perBatchBeta = turn % 5 == 4;
      list.push_back(c);
      ++turn;
    }
  }
  return list;
}

/// A product with an epilogue, and the same in passes of their own.
void testEpilogue(Device& device, const std::string& isa, const Case& shape, UnaryOp activation,
                  bool bias, bool slopes) {
  const Problem problem(shape);
  Random random(7);
  std::vector<float> row(static_cast<size_t>(shape.n)), other = row;
  for (float& value : row) value = random.next();
  for (float& value : other) value = random.next();
  Epilogue epilogue;
  if (bias) epilogue.bias = row.data();
  epilogue.activation = activation;
  epilogue.p = 0.25f;
  if (slopes) epilogue.slopes = other.data();
  const std::vector<float> got = problem.run(device, epilogue);
  std::vector<float> wanted = problem.run(device);
  const auto pass = [&](BinaryOp op, float* c, const float* operand) {
    StridedPair layout;
    layout.rank = 1;
    layout.sizes[0] = shape.n;
    layout.firstStrides[0] = layout.secondStrides[0] = 1;
    device.binary(op, ElementType::kFloat32, layout, c, operand, c);
  };
  for (int64_t i = 0; i < shape.batch * shape.m; ++i) {
    float* c = wanted.data() + i / shape.m * problem.c.stride + i % shape.m * problem.c.leading;
    if (bias) pass(BinaryOp::kAdd, c, row.data());
    if (activation != UnaryOp::kCount) device.unary(activation, shape.n, 0.25f, 0, c, c);
    if (slopes) pass(BinaryOp::kPrelu, c, other.data());
  }
  expect(std::memcmp(got.data(), wanted.data(), got.size() * sizeof(float)) == 0,
         isa + " gemm with an epilogue " + describe(shape), "differs from passes of their own");
}

void testEpilogues(Device& device, const std::string& isa) {
  const Case shapes[] = {{1, 5, 70, 40, false, false, 1, 0, false, 0, false},
                         {2, 130, 97, 700, false, true, 1, 0.5f, false, 3, false},
                         {1, 9, 33, 0, false, false, 1, 1, false, 0, false},
                         {1, 3, 500, 300, false, false, 1, 0, false, 0, false},
                         {2, 300, 40, 64, true, false, 0.5f, 0, false, 1, true}};
  for (const Case& shape : shapes) {
    testEpilogue(device, isa, shape, UnaryOp::kCount, true, false);
    testEpilogue(device, isa, shape, UnaryOp::kRelu, true, false);
    testEpilogue(device, isa, shape, UnaryOp::kLeakyRelu, false, false);
    testEpilogue(device, isa, shape, UnaryOp::kGelu, true, false);
    testEpilogue(device, isa, shape, UnaryOp::kSilu, true, true);
  }
}

}  // namespace

void testGemm(Device& device) {
  forEachIsa([&](const std::string& isa) {
    testEpilogues(device, isa);
    double worst = 0;
    for (const Case& shape : cases()) {
      Problem problem(shape);
      const double share = problem.worstShare(problem.run(device));
      expect(share <= 1, isa + " gemm " + describe(shape),
             "error is " + std::to_string(share) + " of the bound");
      worst = std::max(worst, share);
    }
    for (const Case& shape : {Case{24, 32, 32, 32, false, true, 1, 0, false, 0, false},
                              Case{1, 300, 500, 700, false, true, 1, 0.5f, false, 3, false},
                              Case{3, 257, 129, 300, true, false, 1, 1, true, 0, false},
                              Case{1, 1, 1000, 2000, false, true, 1, 0, false, 0, false},
                              Case{2, 5, 700, 600, false, false, 1, 1, false, 0, false},
                              Case{1, 900, 2, 700, false, false, 1, 0, false, 0, false}}) {
      const Problem problem(shape);
      expectSameForAnyThreads(isa + " gemm " + describe(shape),
                              [&] { return problem.run(device); });
    }
    std::printf("%s gemm: worst error is %.3f of the bound\n", isa.c_str(), worst);
  });
}

}  // namespace fastweight::test
