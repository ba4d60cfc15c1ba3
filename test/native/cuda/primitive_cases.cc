// The fast-weight primitives on the CUDA device beside the CPU's, over generated cases: sizes that
// take the paths of 16 bytes and those that do not, views with gaps, batches, results in place.
#include <algorithm>
#include <cmath>
#include <functional>

#include "cuda_tests.h"

namespace fastweight::test {
namespace {

/// The arrays of a case, as they are before it.
class Arrays {
 public:
  explicit Arrays(uint64_t seed) : random_(seed) {}

  /// The index of a new array of `count` random numbers.
  size_t add(int64_t count) {
    values_.push_back(random_.floats(count));
    return values_.size() - 1;
  }
  /// The same, of positive numbers.
  size_t addPositive(int64_t count) {
    const size_t index = add(count);
    for (float& value : values_[index]) value = 1.5f + value;
    return index;
  }
  const std::vector<std::vector<float>>& values() const { return values_; }

 private:
  Random random_;
  std::vector<std::vector<float>> values_;
};

/// The arrays of a case in a device's memory.
using Memory = std::vector<float*>;
using Call = std::function<void(Device&, const Memory&)>;

DeviceCase caseOf(const std::string& name, const Arrays& arrays, const Call& call) {
  DeviceCase result;
  result.name = name;
  result.run = [values = arrays.values(), call](DeviceRun& run) {
    Memory memory;
    for (const std::vector<float>& each : values) memory.push_back(run.inOut(each));
    call(run.device(), memory);
  };
  return result;
}

struct Shape {
  int64_t batch, rows, columns;
  /// Entries between the end of a row and the next.
  int64_t gap;

  std::string text() const {
    return std::to_string(batch) + " x [" + std::to_string(rows) + ", " + std::to_string(columns) +
           "] gap " + std::to_string(gap);
  }
  int64_t leading() const { return columns + gap; }
  int64_t floats() const { return batch * rows * leading(); }
  Matrices view(float* data) const { return {data, leading(), rows * leading()}; }
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all = {{1, 1, 1, 0},    {2, 3, 5, 0},    {3, 8, 64, 0},
                                         {2, 33, 65, 3},  {1, 40, 512, 4}, {2, 70, 36, 0},
                                         {1, 5, 1300, 0}, {2, 64, 64, 0},  {4, 2, 260, 0}};
  return all;
}

void addFrobeniusCases(DeviceCases* cases) {
  for (const Shape& s : shapes()) {
    for (const bool transpose : {false, true}) {
      const Shape turned = transpose ? Shape{s.batch, s.columns, s.rows, s.gap} : s;
      Arrays arrays(11);
      const size_t d = arrays.add(s.floats()), x = arrays.add(turned.floats());
      const size_t cotangent = arrays.add(turned.floats()), norms = arrays.addPositive(s.batch);
      const size_t result = arrays.add(s.floats());
      cases->push_back(
          caseOf("frobeniusNormalise " + s.text(), arrays, [=](Device& on, const Memory& a) {
            FrobeniusNormalise p;
            p.batch = s.batch, p.rows = s.rows, p.columns = s.columns, p.transpose = transpose;
            p.epsilon = 1e-3f;
            p.d = s.view(a[d]), p.x = turned.view(a[x]), p.norms = a[norms];
            on.frobeniusNormalise(p);
            FrobeniusNormaliseBackward q;
            q.batch = s.batch, q.rows = s.rows, q.columns = s.columns, q.transpose = transpose;
            q.epsilon = 1e-3f;
            q.x = p.x, q.xCotangent = turned.view(a[cotangent]), q.norms = a[norms];
            q.dCotangent = s.view(a[result]);
            on.frobeniusNormaliseBackward(q);
          }));
    }
  }
}

void addTransposeCases(DeviceCases* cases) {
  for (const Shape& s : shapes()) {
    const Shape turned{s.batch, s.columns, s.rows, s.gap};
    Arrays arrays(12);
    const size_t x = arrays.add(s.floats()), y = arrays.add(turned.floats());
    cases->push_back(
        caseOf("transposeMatrices " + s.text(), arrays, [=](Device& on, const Memory& a) {
          TransposeMatrices p;
          p.batch = s.batch, p.rows = s.rows, p.columns = s.columns;
          p.x = s.view(a[x]), p.y = turned.view(a[y]);
          on.transposeMatrices(p);
        }));
  }
}

void addRenormaliseCases(DeviceCases* cases) {
  enum class Live { kMain, kOther, kNone };
  for (const Shape& s : shapes()) {
    const int64_t count = s.rows * s.columns;
    for (const Live live : {Live::kMain, Live::kOther, Live::kNone}) {
      Arrays arrays(13);
      const size_t main = arrays.add(count), step = arrays.add(count), other = arrays.add(count);
      const size_t norms = arrays.addPositive(s.rows);
      cases->push_back(
          caseOf("stepAndRenormalise " + s.text(), arrays, [=](Device& on, const Memory& a) {
            StepAndRenormalise p;
            p.rows = s.rows, p.columns = s.columns, p.epsilon = 1e-5f;
            p.main = a[main], p.step = a[step], p.norms = a[norms];
            p.live = live == Live::kMain ? p.main : live == Live::kOther ? a[other] : nullptr;
            on.stepAndRenormalise(p);
          }));
    }
    for (const bool accumulate : {false, true}) {
      Arrays arrays(14);
      const size_t main = arrays.add(count), step = arrays.add(count);
      const size_t cotangent = arrays.add(count), sum = arrays.add(count);
      const size_t norms = arrays.addPositive(s.rows), normsCotangent = arrays.add(s.rows);
      cases->push_back(
          caseOf("renormaliseBackward " + s.text(), arrays, [=](Device& on, const Memory& a) {
            RenormaliseBackward p;
            p.rows = s.rows, p.columns = s.columns, p.epsilon = 1e-5f, p.accumulate = accumulate;
            p.main = a[main], p.step = accumulate ? a[step] : nullptr, p.norms = a[norms];
            p.liveCotangent = a[cotangent];
            p.sumCotangent = accumulate ? a[sum] : a[cotangent];
            p.normsCotangent = a[normsCotangent];
            on.renormaliseBackward(p);
          }));
    }
  }
}

void addRowNormsCases(DeviceCases* cases) {
  for (const Shape& s : shapes()) {
    Arrays arrays(15);
    const size_t w = arrays.add(s.rows * s.columns), norms = arrays.add(s.rows);
    const size_t cotangent = arrays.add(s.rows), result = arrays.add(s.rows * s.columns);
    cases->push_back(caseOf("rowNorms " + s.text(), arrays, [=](Device& on, const Memory& a) {
      on.rowNorms(s.rows, s.columns, a[w], a[norms]);
      on.rowNormsBackward(s.rows, s.columns, a[w], a[norms], a[cotangent], a[result]);
    }));
  }
}

void addVectorsCases(DeviceCases* cases) {
  for (const Shape& s : shapes()) {
    const int64_t count = s.rows * s.leading(), all = s.batch * count;
    // One float off, no array allows access by 16 bytes.
    for (const int64_t start : {int64_t{0}, int64_t{1}}) {
      Arrays arrays(16);
      const size_t x = arrays.add(all + start), y = arrays.add(all + start);
      const size_t scales = arrays.add(s.batch), out = arrays.add(s.batch);
      cases->push_back(caseOf("vector steps " + s.text(), arrays, [=](Device& on, const Memory& a) {
        float *xs = a[x] + start, *ys = a[y] + start;
        on.axpby(all, 0.75f, xs, -1.25f, ys);
        on.scaleRows(s.batch, count, a[scales], ys);
        on.dotRows(s.batch, count, xs, ys, a[out]);
        on.addToRows(s.batch, std::min(count, s.columns), count, 0.5f, a[scales], xs);
        on.axpby(all, 2, ys, 0, ys);
        on.sumRows(s.batch, std::min(count, s.columns), count, xs, a[scales]);
      }));
    }
  }
  for (const float last : {1.0f, HUGE_VALF, -HUGE_VALF, std::nanf("")}) {
    std::vector<float> x(100001, 1.0f);
    x[77777] = last;
    DeviceCase finite;
    finite.name = "allFinite with " + std::to_string(last);
    finite.run = [x](DeviceRun& run) {
      const float* values = run.input(x);
      for (const int64_t count : {100001, 77777, 0}) {
        run.note(run.device().allFinite(count, values) ? 1 : 0);
      }
    };
    cases->push_back(finite);
  }
}

struct Products {
  int64_t batch, m, n, k;
  bool transposeA, transposeB, second, momentum;
};

/// What the plain tests of products leave out: the second product, a momentum a matrix, k of 0.
void addGemmsCases(DeviceCases* cases) {
  for (const Products& c : {Products{2, 5, 7, 9, false, false, true, false},
                            Products{3, 16, 8, 33, true, false, false, true},
                            Products{2, 20, 12, 8, false, true, true, true},
                            Products{2, 4, 6, 0, false, false, false, true},
                            Products{2, 4, 6, 0, false, false, false, false}}) {
    Arrays arrays(18);
    size_t operands[4];
    for (size_t i = 0; i < 4; ++i) {
      operands[i] = arrays.add(c.batch * std::max<int64_t>(1, c.k) * (i % 2 == 0 ? c.m : c.n));
    }
    const size_t betas = arrays.add(c.batch), result = arrays.add(c.batch * c.m * c.n);
    const size_t bias = arrays.add(c.n), slopes = arrays.add(c.n);
    for (const bool epilogue : {false, true}) {
      cases->push_back(
          caseOf("gemm, k " + std::to_string(c.k), arrays, [=](Device& on, const Memory& a) {
            Gemm g;
            g.batch = c.batch, g.m = c.m, g.n = c.n, g.k = c.k;
            g.transposeA = c.transposeA, g.transposeB = c.transposeB;
            g.alpha = 0.5f, g.beta = 0.25f;
            if (c.momentum) g.betas = a[betas];
            const auto left = [&](size_t i) {
              return packed(a[operands[i]], c.transposeA ? c.k : c.m, c.transposeA ? c.m : c.k);
            };
            const auto right = [&](size_t i) {
              return packed(a[operands[i]], c.transposeB ? c.n : c.k, c.transposeB ? c.k : c.n);
            };
            g.a = left(0), g.b = right(1);
            if (c.second) g.a2 = left(2), g.b2 = right(3);
            g.c = packed(a[result], c.m, c.n);
            if (epilogue) {
              g.epilogue.bias = a[bias];
              g.epilogue.activation = UnaryOp::kGelu;
              g.epilogue.slopes = a[slopes];
            }
            on.gemm(g);
          }));
    }
  }
}

void addGradientsCases(DeviceCases* cases) {
  for (const Shape& s : shapes()) {
    const int64_t hidden = s.columns, half = s.batch * s.rows * hidden;
    Arrays arrays(19);
    const size_t gateUp = arrays.add(2 * half), dHidden = arrays.add(half);
    const size_t scaledGateUp = arrays.add(2 * half);
    cases->push_back(
        caseOf("scaleSwigluGradient " + s.text(), arrays, [=](Device& on, const Memory& a) {
          ScaleSwigluGradient p;
          p.batch = s.batch, p.tokens = s.rows, p.hiddenDim = hidden;
          p.gateUp = packed(a[gateUp], s.rows, 2 * hidden);
          p.dHidden = packed(a[dHidden], s.rows, hidden);
          p.scaledGateUp = packed(a[scaledGateUp], s.rows, 2 * hidden);
          p.scaledHidden = packed(a[dHidden], s.rows, hidden);
          on.scaleSwigluGradient(p);
        }));
  }
}

}  // namespace

void addPrimitiveCases(DeviceCases* cases) {
  addFrobeniusCases(cases);
  addTransposeCases(cases);
  addRenormaliseCases(cases);
  addRowNormsCases(cases);
  addVectorsCases(cases);
  addGemmsCases(cases);
  addGradientsCases(cases);
}

}  // namespace fastweight::test
