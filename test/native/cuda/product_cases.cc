// The fast-weight primitives that are products, in every precision.
#include "cuda_tests.h"
#include "fastweight/newton_schulz.h"

namespace fastweight::test {
namespace {

struct Precision {
  const char* name;
  MatmulPrecision value;
  double tolerance;
};

/// What products of some hundred terms come to when inputs, and some results, are rounded so.
const Precision kPrecisions[] = {{"float32", MatmulPrecision::kFloat32, 3e-6},
                                 {"tf32", MatmulPrecision::kTf32, 5e-3},
                                 {"bfloat16", MatmulPrecision::kBfloat16, 5e-2}};

void addInPrecisions(DeviceCases* cases, const std::string& name,
                     const std::function<void(DeviceRun&)>& run) {
  for (const Precision& precision : kPrecisions) {
    cases->push_back(
        {name + " in " + precision.name, run, precision.tolerance, 1, precision.value});
  }
}

/// A batch of matrices with room between rows and between matrices where `apart`.
ConstMatrices input(DeviceRun& run, uint64_t seed, int64_t batch, int64_t rows, int64_t columns,
                    bool apart = false) {
  const int64_t leading = apart ? columns + 5 : columns;
  const int64_t stride = apart ? rows * leading + 7 : rows * leading;
  return {run.input(Random(seed).floats(batch * stride + 16)), leading, stride};
}

Matrices output(DeviceRun& run, uint64_t seed, int64_t batch, int64_t rows, int64_t columns) {
  return packed(run.inOut(Random(seed).floats(batch * rows * columns)), rows, columns);
}

float* scratch(DeviceRun& run, int64_t count) {
  return const_cast<float*>(run.input(std::vector<float>(static_cast<size_t>(count), NAN)));
}

void addGemms(DeviceCases* cases) {
  for (int kind = 0; kind < 8; ++kind) {
    const bool transposeA = kind & 1, transposeB = kind & 2, apart = kind & 4;
    addInPrecisions(cases, "product " + std::to_string(kind), [=](DeviceRun& run) {
      Gemm g;
      g.batch = 3, g.m = 33, g.n = 20, g.k = 29;
      g.transposeA = transposeA, g.transposeB = transposeB;
      g.alpha = 0.5f, g.beta = -0.25f;
      g.a = transposeA ? input(run, 1, 3, 29, 33, apart) : input(run, 1, 3, 33, 29, apart);
      g.b = transposeB ? input(run, 2, 3, 20, 29, apart) : input(run, 2, 3, 29, 20, apart);
      g.addend = input(run, 3, 3, 33, 20, apart);
      g.c = output(run, 4, 3, 33, 20);
      run.device().gemm(g);
    });
  }
  addInPrecisions(cases, "product with a second one and momentum", [](DeviceRun& run) {
    Gemm g;
    g.batch = 2, g.m = 16, g.n = 24, g.k = 40;
    g.a = input(run, 1, 2, 16, 40);
    g.b = input(run, 2, 2, 40, 24);
    g.a2 = input(run, 3, 2, 16, 40);
    g.b2 = input(run, 4, 2, 40, 24);
    g.betas = run.input(std::vector<float>{0.9f, -0.3f});
    g.c = output(run, 5, 2, 16, 24);
    run.device().gemm(g);
  });
  addInPrecisions(cases, "product with an epilogue", [](DeviceRun& run) {
    Gemm g;
    g.batch = 2, g.m = 19, g.n = 12, g.k = 8;
    g.a = input(run, 1, 2, 19, 8);
    g.b = input(run, 2, 2, 8, 12);
    g.c = output(run, 3, 2, 19, 12);
    g.epilogue.bias = run.input(Random(4).floats(12));
    g.epilogue.activation = UnaryOp::kGelu;
    g.epilogue.slopes = run.input(Random(5).floats(12));
    run.device().gemm(g);
  });
  addInPrecisions(cases, "product of nothing", [](DeviceRun& run) {
    Gemm g;
    g.batch = 2, g.m = 5, g.n = 4, g.k = 0;
    g.beta = 0.5f;
    g.a = input(run, 1, 2, 5, 0);
    g.b = input(run, 2, 2, 0, 4);
    g.c = output(run, 3, 2, 5, 4);
    run.device().gemm(g);
  });
}

void addSymmetricProducts(DeviceCases* cases) {
  for (const bool symmetrise : {false, true}) {
    addInPrecisions(cases, symmetrise ? "symmetrised product" : "symmetric product",
                    [=](DeviceRun& run) {
                      SymmetricProduct p;
                      p.batch = 2, p.n = 37, p.k = 50;
                      p.alpha = 2, p.beta = 0.5f, p.diagonal = 1.5f;
                      p.symmetrise = symmetrise;
                      p.a = input(run, 1, 2, 37, 50);
                      p.b = symmetrise ? input(run, 2, 2, 37, 50) : p.a;
                      // A symmetric addend: the outer product of a vector with itself.
                      const std::vector<float> x = Random(3).floats(37);
                      std::vector<float> addend;
                      for (int matrix = 0; matrix < 2; ++matrix) {
                        for (const float row : x) {
                          for (const float column : x) addend.push_back(row * column);
                        }
                      }
                      p.addend = packed(static_cast<const float*>(run.input(addend)), 37, 37);
                      p.c = output(run, 4, 2, 37, 37);
                      run.device().symmetricProduct(p);
                    });
  }
}

constexpr int64_t kRows = 2, kTokens = 45, kKeyDim = 24, kValueDim = 20, kHidden = 36;

void addSwiglus(DeviceCases* cases) {
  addInPrecisions(cases, "swiglu", [](DeviceRun& run) {
    Swiglu s;
    s.batch = kRows, s.tokens = kTokens, s.keyDim = kKeyDim, s.hiddenDim = kHidden;
    s.keepGateUp = true;
    s.x = input(run, 1, kRows, kTokens, kKeyDim);
    s.w02 = input(run, 2, kRows, 2 * kHidden, kKeyDim);
    s.gateUp = output(run, 3, kRows, kTokens, 2 * kHidden);
    s.hidden = output(run, 4, kRows, kTokens, kHidden);
    run.device().swiglu(s);
  });
  for (const bool activationsOnly : {false, true}) {
    for (const bool hasRates : {false, true}) {
      addInPrecisions(cases,
                      std::string("swiglu's gradient") + (activationsOnly ? ", activations" : "") +
                          (hasRates ? ", with rates" : ""),
                      [=](DeviceRun& run) {
                        SwigluGradient s;
                        s.batch = kRows, s.tokens = kTokens, s.keyDim = kKeyDim,
                        s.valueDim = kValueDim;
                        s.hiddenDim = kHidden;
                        s.activationsOnly = activationsOnly;
                        s.k = input(run, 1, kRows, kTokens, kKeyDim);
                        s.v = input(run, 2, kRows, kTokens, kValueDim);
                        s.w02 = input(run, 3, kRows, 2 * kHidden, kKeyDim);
                        s.w1 = input(run, 4, kRows, kValueDim, kHidden);
                        if (hasRates) s.rates = input(run, 5, kRows, kTokens, 3);
                        s.gateUp = output(run, 6, kRows, kTokens, 2 * kHidden);
                        s.dHidden = output(run, 7, kRows, kTokens, kHidden);
                        run.device().swigluGradient(s);
                      });
    }
  }
}

void addGradientBackwards(DeviceCases* cases, int64_t hidden) {
  for (const bool isKept : {false, true}) {
    addInPrecisions(cases,
                    "product behind an update's gradient, backward, " + std::to_string(hidden) +
                        " hidden" + (isKept ? ", kept activations" : ""),
                    [=](DeviceRun& run) {
                      SwigluGradientBackward p;
                      p.batch = kRows, p.tokens = kTokens, p.keyDim = kKeyDim,
                      p.valueDim = kValueDim;
                      p.hiddenDim = hidden;
                      p.k = input(run, 1, kRows, kTokens, kKeyDim);
                      p.v = input(run, 2, kRows, kTokens, kValueDim);
                      p.w02 = input(run, 3, kRows, 2 * hidden, kKeyDim);
                      p.w1 = input(run, 4, kRows, kValueDim, hidden);
                      p.d02 = input(run, 5, kRows, 2 * hidden, kKeyDim);
                      p.d1 = input(run, 6, kRows, kValueDim, hidden);
                      p.rates = input(run, 7, kRows, kTokens, 3);
                      if (isKept) {
                        p.gateUp = input(run, 8, kRows, kTokens, 2 * hidden);
                        p.dHidden = input(run, 9, kRows, kTokens, hidden);
                      }
                      const auto view = [&](int64_t columns) {
                        return packed(scratch(run, kRows * kTokens * columns), kTokens, columns);
                      };
                      p.scaledGateUp = view(2 * hidden), p.scaledHidden = view(hidden);
                      p.gateUpCotangent = view(2 * hidden), p.dHiddenCotangent = view(hidden);
                      p.ratesCotangent = output(run, 10, kRows, kTokens, 3);
                      // What it leaves may be read by products alone.
                      run.device().beginProducts();
                      run.device().swigluGradientBackward(p);
                      const auto read = [&](const Matrices& from, int64_t columns, uint64_t seed) {
                        Gemm g;
                        g.batch = kRows, g.m = kTokens, g.k = columns, g.n = 16;
                        g.a = from;
                        g.b = input(run, seed, kRows, columns, 16);
                        g.c = output(run, seed + 1, kRows, kTokens, 16);
                        run.device().gemm(g);
                      };
                      read(p.scaledGateUp, 2 * hidden, 11);
                      read(p.scaledHidden, hidden, 13);
                      read(p.gateUpCotangent, 2 * hidden, 15);
                      read(p.dHiddenCotangent, hidden, 17);
                      run.device().endProducts();
                    });
  }
}

/// Three matrices that become one batch once turned: an iteration whose steps read one another's
/// results, which makes rounding errors grow.
void addNewtonSchulz(DeviceCases* cases) {
  const NewtonSchulzSchedule schedule = {{4.0848f, -6.8946f, 2.9270f},
                                         {3.9505f, -6.3029f, 2.6377f},
                                         {3.7418f, -5.5913f, 2.3037f},
                                         {2.8769f, -3.1427f, 1.2046f}};
  const std::vector<NewtonSchulzMatrices> groups = {{2, 48, 20}, {1, 20, 48}};
  const int64_t count = groups[0].count() + groups[1].count();
  const auto add = [&](const std::string& name, const Precision& precision, double growth,
                       NewtonSchulzMethod method, const auto& run) {
    cases->push_back({name + " in " + precision.name,
                      [=](DeviceRun& on) {
                        const NewtonSchulz iteration(on.device(), schedule, groups, 1e-7f, method);
                        run(on, iteration, on.input(Random(1).floats(count)));
                      },
                      growth * precision.tolerance, 1, precision.value});
  };
  const auto forward = [=](DeviceRun& run, const NewtonSchulz& iteration, const float* d) {
    iteration.forward(d, run.floats(count), scratch(run, iteration.forwardFloats()));
  };
  const auto backward = [=](DeviceRun& run, const NewtonSchulz& iteration, const float* d) {
    float* iterates = scratch(run, iteration.iterateFloats());
    iteration.forwardKeeping(d, run.floats(count), iterates);
    iteration.backward(iterates, run.input(Random(2).floats(count)), run.floats(count),
                       scratch(run, iteration.backwardFloats()));
  };
  for (const Precision& precision : kPrecisions) {
    add("Newton-Schulz product", precision, 6, NewtonSchulzMethod::kStandard, forward);
    add("Gram Newton-Schulz product", precision, 6, NewtonSchulzMethod::kGram, forward);
    // In bfloat16 a gradient's error has the size of its smaller entries: the contract is one of
    // norms, which `fastweight verify` checks.
    if (precision.value == MatmulPrecision::kBfloat16) continue;
    add("Newton-Schulz product's backward", precision, 60, NewtonSchulzMethod::kStandard, backward);
  }
}

}  // namespace

void addProductCases(DeviceCases* cases) {
  addGemms(cases);
  addSymmetricProducts(cases);
  addSwiglus(cases);
  addGradientBackwards(cases, kHidden);
  addGradientBackwards(cases, 136);
  addNewtonSchulz(cases);
}

}  // namespace fastweight::test
