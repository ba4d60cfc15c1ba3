// Elementwise kernels: every function of the tables, on odd sizes, special values and broadcasts.
#include <cmath>

#include "cuda_tests.h"

namespace fastweight::test {
namespace {

std::vector<float> floatsWithSpecials(uint64_t seed, int64_t count, bool specials) {
  std::vector<float> values = Random(seed).floats(count);
  for (float& value : values) value *= 3;
  const float some[] = {0.0f, -0.0f, HUGE_VALF, -HUGE_VALF, NAN, 1.0f, -1.0f, 2.5f, 1e-40f, 88.0f};
  for (size_t i = 0; specials && i < std::size(some) && i < values.size(); ++i) {
    values[i * 3 % values.size()] = some[i];
  }
  return values;
}

std::vector<int32_t> intsOf(uint64_t seed, int64_t count) {
  std::vector<int32_t> values;
  for (const float value : Random(seed).floats(count)) {
    values.push_back(static_cast<int32_t>(value * 7));
  }
  if (count > 3) values[1] = INT32_MAX, values[2] = INT32_MIN;
  return values;
}

std::vector<uint8_t> boolsOf(uint64_t seed, int64_t count) {
  std::vector<uint8_t> values;
  for (const float value : Random(seed).floats(count)) values.push_back(value > 0);
  return values;
}

const void* inputOf(DeviceRun& run, ElementType type, uint64_t seed, int64_t count) {
  if (type == ElementType::kInt32) return run.input(intsOf(seed, count));
  if (type == ElementType::kBool) return run.input(boolsOf(seed, count));
  return run.input(floatsWithSpecials(seed, count, true));
}

void addUnary(DeviceCases* cases, UnaryOp op, const char* name) {
  for (const int64_t count : {0, 3, 1027}) {
    cases->push_back({std::string("unary ") + name + " of " + std::to_string(count),
                      [=](DeviceRun& run) {
                        const float* x = run.input(floatsWithSpecials(1, count, true));
                        run.device().unary(op, count, -0.5f, 1.5f, x, run.floats(count));
                      },
                      1e-6, 1e-3});
  }
}

void addPredicate(DeviceCases* cases, PredicateOp op, const char* name) {
  cases->push_back({std::string("predicate ") + name, [=](DeviceRun& run) {
                      const float* x = run.input(floatsWithSpecials(2, 1030, true));
                      run.device().predicate(op, 1030, x, run.bools(1030));
                    }});
}

struct Layout {
  const char* name;
  StridedPair walk;
  int64_t aCount, bCount;
};

/// Broadcasts and other walks over two arrays.
std::vector<Layout> layouts() {
  const auto walk = [](std::vector<int64_t> sizes, std::vector<int64_t> first,
                       std::vector<int64_t> second) {
    StridedPair pair;
    pair.rank = static_cast<int>(sizes.size());
    for (int i = 0; i < pair.rank; ++i) {
      pair.sizes[i] = sizes[i];
      pair.firstStrides[i] = first[i];
      pair.secondStrides[i] = second[i];
    }
    return pair;
  };
  return {{"packed", walk({37, 29}, {29, 1}, {29, 1}), 37 * 29, 37 * 29},
          {"one on the right", walk({515}, {1}, {0}), 515, 1},
          {"one on the left", walk({516}, {0}, {1}), 1, 516},
          {"a row on the right", walk({13, 20}, {20, 1}, {0, 1}), 260, 20},
          {"a column on the left", walk({13, 20}, {1, 0}, {20, 1}), 13, 260},
          {"outer product", walk({7, 9}, {1, 0}, {0, 1}), 7, 9},
          {"transposed", walk({11, 6}, {1, 11}, {6, 1}), 66, 66},
          {"four axes", walk({3, 4, 5, 2}, {0, 10, 2, 1}, {20, 0, 4, 2}), 40, 60},
          {"empty", walk({0, 5}, {5, 1}, {5, 1}), 0, 0}};
}

void addBinary(DeviceCases* cases, BinaryOp op, const char* name) {
  for (const ElementType type : {ElementType::kFloat32, ElementType::kInt32, ElementType::kBool}) {
    for (const Layout& layout : layouts()) {
      cases->push_back({std::string("binary ") + name + " of type " +
                            std::to_string(static_cast<int>(type)) + ", " + layout.name,
                        [=](DeviceRun& run) {
                          int64_t count = 1;
                          for (int i = 0; i < layout.walk.rank; ++i) count *= layout.walk.sizes[i];
                          const void* a = inputOf(run, type, 3, layout.aCount);
                          const void* b = inputOf(run, type, 4, layout.bCount);
                          // What the type lacks leaves the output as it was: a random one.
                          const bool isBool = givesBool(op);
                          void* y = run.elements(isBool ? ElementType::kBool : type, count);
                          run.device().zero(y, static_cast<size_t>(count) *
                                                   (isBool || type == ElementType::kBool ? 1 : 4));
                          run.note(run.device().binary(op, type, layout.walk, a, b, y));
                        },
                        2e-6, 1e-3});
    }
  }
}

void addCasts(DeviceCases* cases) {
  const ElementType types[] = {ElementType::kFloat32, ElementType::kInt32, ElementType::kBool};
  for (const ElementType from : types) {
    for (const ElementType to : types) {
      cases->push_back({"cast " + std::to_string(static_cast<int>(from)) + " to " +
                            std::to_string(static_cast<int>(to)),
                        [=](DeviceRun& run) {
                          const void* x = inputOf(run, from, 5, 770);
                          if (from == ElementType::kFloat32) {
                            std::vector<float> wide = Random(6).floats(770);
                            for (float& value : wide) value *= 1e10f;
                            x = run.input(wide);
                          }
                          run.device().cast(from, to, 770, x, run.elements(to, 770));
                        },
                        0});
    }
    cases->push_back({"fill, range and one-hot " + std::to_string(static_cast<int>(from)),
                      [=](DeviceRun& run) {
                        Device& device = run.device();
                        device.fill(from, 1025, 1, run.elements(from, 1025));
                        device.fill(from, 7, 0, run.elements(from, 7));
                        device.range(from, 90, -3.5, 0.75, run.elements(from, 90));
                        const int32_t* indices = run.input(std::vector<int32_t>{2, -1, 0, 5, 6});
                        device.oneHot(from, 5, 6, 1, 0, indices, run.elements(from, 30));
                      },
                      0});
  }
}

}  // namespace

void addElementwiseCases(DeviceCases* cases) {
#define FASTWEIGHT_ADD(name, value) addUnary(cases, UnaryOp::k##name, #name);
  FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_ADD)
#undef FASTWEIGHT_ADD
#define FASTWEIGHT_ADD(name, value) addPredicate(cases, PredicateOp::k##name, #name);
  FASTWEIGHT_PREDICATES(FASTWEIGHT_ADD)
#undef FASTWEIGHT_ADD
#define FASTWEIGHT_ADD(name, value) addBinary(cases, BinaryOp::k##name, #name);
  FASTWEIGHT_BINARY_FUNCTIONS(FASTWEIGHT_ADD)
#undef FASTWEIGHT_ADD
  addCasts(cases);
  for (const int bytes : {1, 4}) {
    cases->push_back({"select of " + std::to_string(bytes) + " bytes", [=](DeviceRun& run) {
                        const uint8_t* condition = run.input(boolsOf(7, 1029));
                        const bool isBool = bytes == 1;
                        const ElementType type =
                            isBool ? ElementType::kBool : ElementType::kFloat32;
                        const void* a = inputOf(run, type, 8, 1029);
                        const void* b = inputOf(run, type, 9, 1029);
                        run.device().select(bytes, 1029, condition, a, b, run.elements(type, 1029));
                      }});
  }
}

}  // namespace fastweight::test
