// Reductions, softmax and running sums.
#include <cmath>

#include "cuda_tests.h"

namespace fastweight::test {
namespace {

struct Sizes {
  int64_t outer, reduced, inner;
};

std::string nameOf(const Sizes& s) {
  return "[" + std::to_string(s.outer) + ", " + std::to_string(s.reduced) + ", " +
         std::to_string(s.inner) + "]";
}

/// Short and long rows, columns, both cut into parts and not.
const Sizes kSizes[] = {{3, 5, 1},   {9, 33, 1},  {2, 1500, 1}, {1, 70001, 1}, {2, 7, 3},
                        {3, 20, 65}, {1, 900, 5}, {4, 1, 6},    {2, 40, 1},    {1, 40000, 1}};

void addReduce(DeviceCases* cases, ReduceOp op, ElementType type, const Sizes& s) {
  cases->push_back(
      {"reduce " + std::to_string(static_cast<int>(op)) + " of type " +
           std::to_string(static_cast<int>(type)) + " " + nameOf(s),
       [=](DeviceRun& run) {
         const int64_t count = s.outer * s.reduced * s.inner, outputs = s.outer * s.inner;
         const std::vector<float> values = Random(1).floats(count);
         const void* x;
         if (type == ElementType::kFloat32) {
           std::vector<float> near = values;
           if (op == ReduceOp::kProd) {  // of many, exactly
             for (float& value : near) value = count > 100 ? (value > 0 ? 1.0f : -1.0f) : 1 + value;
           }
           x = run.input(near);
         } else if (type == ElementType::kInt32) {
           std::vector<int32_t> ints;
           for (const float value : values) ints.push_back(static_cast<int32_t>(value * 1e6f));
           x = run.input(ints);
         } else {
           std::vector<uint8_t> bools;
           for (const float value : values) bools.push_back(value > -0.9f);
           x = run.input(bools);
         }
         const bool isCount = type == ElementType::kBool && op == ReduceOp::kSum;
         const ElementType to = isCount ? ElementType::kInt32 : type;
         void* y = run.elements(to, outputs);
         run.device().zero(y, static_cast<size_t>(outputs * (to == ElementType::kBool ? 1 : 4)));
         run.note(run.device().reduce(op, type, s.outer, s.reduced, s.inner, x, y));
       },
       // The CPU sums blocks of 4096 in float.
       3e-6});
}

void addArgReduce(DeviceCases* cases, const Sizes& s) {
  for (const bool largest : {true, false}) {
    cases->push_back(
        {std::string(largest ? "argmax " : "argmin ") + nameOf(s), [=](DeviceRun& run) {
           std::vector<float> values = Random(2).floats(s.outer * s.reduced * s.inner);
           // Many equal ones, and NaN in first places and in others.
           for (float& value : values) value = std::round(value * 3);
           values[0] = NAN;
           values[values.size() * 2 / 3] = NAN;
           run.device().argReduce(largest, s.outer, s.reduced, s.inner, run.input(values),
                                  run.ints(s.outer * s.inner));
         }});
  }
}

void addSoftmax(DeviceCases* cases, int64_t rows, int64_t columns) {
  cases->push_back({"softmax [" + std::to_string(rows) + ", " + std::to_string(columns) + "]",
                    [=](DeviceRun& run) {
                      std::vector<float> x = Random(3).floats(rows * columns);
                      for (float& value : x) value *= 20;
                      run.device().softmax(rows, columns, run.input(x), run.floats(rows * columns));
                    },
                    3e-6});
}

void addCumulative(DeviceCases* cases, const Sizes& s) {
  for (int kind = 0; kind < 8; ++kind) {
    const bool product = kind & 1, exclusive = kind & 2, reverse = kind & 4;
    cases->push_back({"cumulative " + std::to_string(kind) + " " + nameOf(s), [=](DeviceRun& run) {
                        const int64_t count = s.outer * s.reduced * s.inner;
                        std::vector<float> x = Random(4).floats(count);
                        for (float& value : x) value = product ? 1 + value / 10 : value;
                        run.device().cumulative(product, exclusive, reverse, s.outer, s.reduced,
                                                s.inner, run.input(x), run.floats(count));
                      }});
  }
}

}  // namespace

void addReduceCases(DeviceCases* cases) {
  for (const Sizes& s : kSizes) {
    for (int op = 0; op < static_cast<int>(ReduceOp::kCount); ++op) {
      for (const ElementType type :
           {ElementType::kFloat32, ElementType::kInt32, ElementType::kBool}) {
        addReduce(cases, static_cast<ReduceOp>(op), type, s);
      }
    }
    addArgReduce(cases, s);
  }
  cases->push_back({"largest with NaN", [](DeviceRun& run) {
                      std::vector<float> x = Random(5).floats(300);
                      x[150] = NAN;
                      const float* in = run.input(x);
                      for (const ReduceOp op : {ReduceOp::kMax, ReduceOp::kMin}) {
                        run.device().reduce(op, ElementType::kFloat32, 3, 100, 1, in,
                                            run.floats(3));
                      }
                    }});
  addSoftmax(cases, 21, 7);
  addSoftmax(cases, 3, 1024);
  addSoftmax(cases, 2, 1501);
  addSoftmax(cases, 2, 12288);  // 48 KB of shared memory, and static arrays
  addSoftmax(cases, 2, 17003);
  for (const Sizes& s : {Sizes{3, 5, 1}, Sizes{2, 700, 1}, Sizes{2, 9, 5}}) addCumulative(cases, s);
}

}  // namespace fastweight::test
