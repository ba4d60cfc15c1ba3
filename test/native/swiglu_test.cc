// The fused hidden layer and its gradient against double precision, on every instruction set.
#include <algorithm>
#include <cmath>

#include "check.h"

namespace fastweight::test {
namespace {

struct Problem {
  int64_t batch, tokens, keyDim, valueDim, hiddenDim;
  bool activationsOnly;
  std::vector<float> k, v, w02, w1, rates;

  Problem(int64_t batch, int64_t tokens, int64_t keyDim, int64_t valueDim, int64_t hiddenDim,
          bool activationsOnly)
      : batch(batch),
        tokens(tokens),
        keyDim(keyDim),
        valueDim(valueDim),
        hiddenDim(hiddenDim),
        activationsOnly(activationsOnly) {
    Random random(static_cast<uint64_t>(tokens * 7 + hiddenDim));
    k = random.floats(batch * tokens * keyDim);
    v = random.floats(batch * tokens * valueDim);
    w02 = random.floats(batch * 2 * hiddenDim * keyDim);
    w1 = random.floats(batch * valueDim * hiddenDim);
    rates = random.floats(batch * tokens * 3);
  }

  std::string name() const {
    return std::to_string(batch) + " x " + std::to_string(tokens) + " tokens, " +
           std::to_string(keyDim) + ", " + std::to_string(valueDim) + ", " +
           std::to_string(hiddenDim);
  }

  std::vector<float> hidden(Device& device) const {
    std::vector<float> result(static_cast<size_t>(batch * tokens * hiddenDim));
    std::vector<float> gateUp(result.size() * 2);
    Swiglu p;
    p.batch = batch, p.tokens = tokens, p.keyDim = keyDim, p.hiddenDim = hiddenDim;
    p.x = packed(k.data(), tokens, keyDim);
    p.w02 = packed(w02.data(), 2 * hiddenDim, keyDim);
    p.gateUp = packed(gateUp.data(), tokens, 2 * hiddenDim);
    p.hidden = packed(result.data(), tokens, hiddenDim);
    device.swiglu(p);
    return result;
  }

  /// gateUp [batch, tokens, 2 hidden], then dHidden [batch, tokens, hidden].
  std::vector<float> gradient(Device& device) const {
    const int64_t half = batch * tokens * 2 * hiddenDim;
    std::vector<float> result(static_cast<size_t>(half + half / 2));
    SwigluGradient p;
    p.batch = batch, p.tokens = tokens, p.keyDim = keyDim, p.valueDim = valueDim;
    p.hiddenDim = hiddenDim, p.activationsOnly = activationsOnly;
    p.k = packed(k.data(), tokens, keyDim);
    p.v = packed(v.data(), tokens, valueDim);
    p.w02 = packed(w02.data(), 2 * hiddenDim, keyDim);
    p.w1 = packed(w1.data(), valueDim, hiddenDim);
    p.rates = packed(rates.data(), tokens, 3);
    p.gateUp = packed(result.data(), tokens, 2 * hiddenDim);
    p.dHidden = packed(result.data() + half, tokens, hiddenDim);
    device.swigluGradient(p);
    return result;
  }

  /// The largest error of both, relative to the largest value.
  double error(const std::vector<float>& hiddenGot, const std::vector<float>& gradientGot) const {
    const int64_t half = batch * tokens * 2 * hiddenDim;
    double worst = 0, largest = 0;
    const auto compare = [&](double got, double wanted) {
      worst = std::max(worst, std::isfinite(got) ? std::fabs(got - wanted) : 1e30);
      largest = std::max(largest, std::fabs(wanted));
    };
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t t = 0; t < tokens; ++t) {
        for (int64_t j = 0; j < hiddenDim; ++j) {
          double g = 0, u = 0, dh = 0;
          for (int64_t p = 0; p < keyDim; ++p) {
            const double x = k[static_cast<size_t>((b * tokens + t) * keyDim + p)];
            g += x * w02[static_cast<size_t>((b * 2 * hiddenDim + j) * keyDim + p)];
            u += x * w02[static_cast<size_t>((b * 2 * hiddenDim + hiddenDim + j) * keyDim + p)];
          }
          for (int64_t p = 0; p < valueDim; ++p) {
            dh += double{v[static_cast<size_t>((b * tokens + t) * valueDim + p)]} *
                  w1[static_cast<size_t>((b * valueDim + p) * hiddenDim + j)];
          }
          const double s = 1 / (1 + std::exp(-g));
          const float* r = rates.data() + (b * tokens + t) * 3;
          const int64_t token = b * tokens + t;
          const double got0 = gradientGot[static_cast<size_t>(token * 2 * hiddenDim + j)];
          const double got1 =
              gradientGot[static_cast<size_t>(token * 2 * hiddenDim + hiddenDim + j)];
          const double got2 = gradientGot[static_cast<size_t>(half + token * hiddenDim + j)];
          compare(hiddenGot[static_cast<size_t>(token * hiddenDim + j)], g * s * u);
          compare(got0, activationsOnly ? g : r[0] * dh * u * s * (1 + g * (1 - s)));
          compare(got1, activationsOnly ? u : r[2] * dh * g * s);
          compare(got2, activationsOnly ? dh : r[1] * g * s * u);
        }
      }
    }
    return worst / largest;
  }
};

}  // namespace

void testSwiglu(Device& device) {
  forEachIsa([&](const std::string& isa) {
    const Problem problems[] = {{1, 1, 3, 2, 5, false},        {2, 50, 24, 24, 40, false},
                                {1, 130, 65, 33, 97, true},    {3, 49, 300, 20, 64, false},
                                {1, 200, 128, 128, 256, true}, {1, 7, 600, 700, 33, false}};
    for (const Problem& problem : problems) {
      const double error = problem.error(problem.hidden(device), problem.gradient(device));
      expect(error < 2e-6, isa + " swiglu " + problem.name(),
             "relative error is " + std::to_string(error));
      expectSameForAnyThreads(isa + " swiglu " + problem.name(),
                              [&] { return problem.hidden(device); });
      expectSameForAnyThreads(isa + " swiglu gradient " + problem.name(),
                              [&] { return problem.gradient(device); });
    }
  });
}

}  // namespace fastweight::test
