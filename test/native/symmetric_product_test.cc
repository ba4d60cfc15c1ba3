// Symmetric products against a triple loop in double precision, on every instruction set.
#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"

namespace fastweight::test {
namespace {

struct Case {
  int64_t batch, n, k;
  bool symmetrise;
  float alpha, beta;
  bool inPlace;  // c is the addend
};

std::string describe(const Case& c) {
  return std::to_string(c.batch) + " x [" + std::to_string(c.n) + ", " + std::to_string(c.k) + "]" +
         (c.symmetrise ? " symmetrised" : "") + " beta " + std::to_string(c.beta) +
         (c.inPlace ? " in place" : "");
}

struct Problem {
  Case shape;
  std::vector<float> a, b, addend;

  explicit Problem(const Case& s) : shape(s) {
    Random random(static_cast<uint64_t>(s.n * 31 + s.k));
    a = random.floats(s.batch * s.n * s.k);
    // Of b a^T only the symmetrised product is symmetric.
    b = s.symmetrise ? random.floats(s.batch * s.n * s.k) : a;
    addend = random.floats(s.batch * s.n * s.n);
    for (int64_t i = 0; i < s.batch; ++i) {
      for (int64_t row = 0; row < s.n; ++row) {
        for (int64_t column = 0; column < row; ++column) {
          addend[static_cast<size_t>((i * s.n + row) * s.n + column)] =
              addend[static_cast<size_t>((i * s.n + column) * s.n + row)];
        }
      }
    }
  }

  std::vector<float> run(Device& device) const {
    std::vector<float> result = addend;
    if (!shape.inPlace) std::fill(result.begin(), result.end(), std::nanf(""));
    SymmetricProduct product;
    product.batch = shape.batch, product.n = shape.n, product.k = shape.k;
    product.alpha = shape.alpha, product.beta = shape.beta;
    product.symmetrise = shape.symmetrise;
    product.a = packed(a.data(), shape.n, shape.k);
    product.b = packed(b.data(), shape.n, shape.k);
    product.c = packed(result.data(), shape.n, shape.n);
    product.addend = packed(shape.inPlace ? result.data() : addend.data(), shape.n, shape.n);
    if (shape.beta == 0) product.addend = ConstMatrices();
    device.symmetricProduct(product);
    return result;
  }

  double worstShare(const std::vector<float>& result) const {
    const double epsilon = 0.5 * std::numeric_limits<float>::epsilon();
    const double roundings = std::min<double>(static_cast<double>(shape.k), 256.0) +
                             static_cast<double>(shape.k) / 128.0 + 5.0;
    double worst = 0;
    for (int64_t i = 0; i < shape.batch; ++i) {
      const float* x = a.data() + i * shape.n * shape.k;
      const float* y = b.data() + i * shape.n * shape.k;
      for (int64_t row = 0; row < shape.n; ++row) {
        for (int64_t column = 0; column < shape.n; ++column) {
          double sum = 0, magnitude = 0;
          for (int64_t p = 0; p < shape.k; ++p) {
            const double one = double{x[row * shape.k + p]} * y[column * shape.k + p];
            const double two = double{y[row * shape.k + p]} * x[column * shape.k + p];
            sum += 0.5 * (one + two);
            magnitude += 0.5 * (std::fabs(one) + std::fabs(two));
          }
          const size_t index = static_cast<size_t>((i * shape.n + row) * shape.n + column);
          const double before = shape.beta == 0 ? 0 : shape.beta * double{addend[index]};
          const double bound =
              epsilon * roundings * (std::fabs(shape.alpha) * magnitude + std::fabs(before)) +
              1e-30;
          const double error = std::fabs(result[index] - (shape.alpha * sum + before));
          worst = std::max(worst, error <= bound ? error / bound : 2.0);
        }
      }
    }
    return worst;
  }

  bool isSymmetric(const std::vector<float>& result) const {
    for (int64_t i = 0; i < shape.batch; ++i) {
      const float* c = result.data() + i * shape.n * shape.n;
      for (int64_t row = 0; row < shape.n; ++row) {
        for (int64_t column = 0; column < row; ++column) {
          if (c[row * shape.n + column] != c[column * shape.n + row]) return false;
        }
      }
    }
    return true;
  }
};

}  // namespace

void testSymmetricProduct(Device& device) {
  forEachIsa([&](const std::string& isa) {
    for (const int64_t n : {1, 2, 13, 32, 47, 96, 131, 260}) {
      for (const int64_t k : {0, 1, 40, 300}) {
        for (int variant = 0; variant < 6; ++variant) {
          const float beta = variant % 3 == 0 ? 0.0f : 0.75f;
          const Case shape{
              1 + n % 3,       n, k, variant >= 3, variant % 2 == 0 ? 1.0f : -2.0f, beta,
              variant % 3 == 2};
          const Problem problem(shape);
          const std::vector<float> result = problem.run(device);
          const double share = problem.worstShare(result);
          expect(share <= 1, isa + " symmetric product " + describe(shape),
                 "error is " + std::to_string(share) + " of the bound");
          expect(problem.isSymmetric(result), isa + " symmetric product " + describe(shape),
                 "the triangles differ");
        }
      }
    }
    for (const Case& shape :
         {Case{1, 400, 300, false, 1, 0, false}, Case{5, 96, 70, true, 1, 0.5f, true},
          Case{12, 64, 64, false, 1, 1, false}}) {
      const Problem problem(shape);
      expectSameForAnyThreads(isa + " symmetric product " + describe(shape),
                              [&] { return problem.run(device); });
    }
  });
}

}  // namespace fastweight::test
