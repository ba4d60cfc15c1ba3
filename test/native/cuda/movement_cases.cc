// Copies by strides, rows by index and their sums.
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

StridedPair walkOf(std::vector<int64_t> sizes, std::vector<int64_t> first,
                   std::vector<int64_t> second) {
  StridedPair pair;
  pair.rank = static_cast<int>(sizes.size());
  for (int i = 0; i < pair.rank; ++i) {
    pair.sizes[i] = sizes[i];
    pair.firstStrides[i] = first[i];
    pair.secondStrides[i] = second[i];
  }
  return pair;
}

void addCopy(DeviceCases* cases, const std::string& name, const StridedPair& walk,
             int64_t fromCount, int64_t toCount, int64_t fromStart = 0) {
  for (const int bytes : {1, 4}) {
    cases->push_back({"copy " + name + " of " + std::to_string(bytes) + " bytes",
                      [=](DeviceRun& run) {
                        const void* from;
                        if (bytes == 4) {
                          from = run.input(Random(1).floats(fromCount)) + fromStart;
                        } else {
                          std::vector<uint8_t> values;
                          for (const float value : Random(2).floats(fromCount)) {
                            values.push_back(static_cast<uint8_t>(100 + 100 * value));
                          }
                          from = run.input(values) + fromStart;
                        }
                        void* to = run.elements(
                            bytes == 4 ? ElementType::kFloat32 : ElementType::kBool, toCount);
                        run.device().zero(to, static_cast<size_t>(toCount * bytes));
                        run.device().copyStrided(bytes, walk, from, to);
                      },
                      0});
  }
}

void addGather(DeviceCases* cases, const std::string& name, Gather g, bool wrong) {
  for (const int bytes : {1, 4}) {
    cases->push_back({"gather " + name + " of " + std::to_string(bytes) + " bytes",
                      [=](DeviceRun& run) {
                        Gather at = g;
                        at.elementBytes = bytes;
                        const int64_t inCount = g.batch * g.outer * g.size * g.inner;
                        std::vector<int32_t> indices;
                        for (int64_t i = 0; i < g.batch * g.indexCount; ++i) {
                          indices.push_back(static_cast<int32_t>(i * 7 % g.size));
                        }
                        if (wrong) {
                          indices[indices.size() / 2] = static_cast<int32_t>(g.size);
                          indices.back() = -3;
                        }
                        at.indices = run.input(indices);
                        const int64_t outCount = g.batch * g.outer * g.indexCount * g.inner;
                        if (bytes == 4) {
                          at.x = run.input(Random(3).floats(inCount));
                          at.y = run.floats(outCount);
                        } else {
                          at.x = run.input(std::vector<uint8_t>(static_cast<size_t>(inCount), 5));
                          at.y = run.bools(outCount);
                        }
                        run.device().zero(at.y, static_cast<size_t>(outCount * bytes));
                        int32_t wrongIndex = 77;
                        run.note(run.device().gather(at, &wrongIndex));
                        run.note(wrongIndex);
                      },
                      0});
  }
}

void addSegmentSum(DeviceCases* cases, int64_t rows, int64_t inner, int64_t segments) {
  cases->push_back({"segment sum of " + std::to_string(rows) + " rows of " + std::to_string(inner) +
                        " to " + std::to_string(segments),
                    [=](DeviceRun& run) {
                      std::vector<int32_t> ids;
                      for (int64_t i = 0; i < rows; ++i) {
                        ids.push_back(static_cast<int32_t>(i * i % (segments + 2)) - 1);
                      }
                      const float* x = run.input(Random(4).floats(rows * inner));
                      run.device().segmentSum(rows, inner, segments, x, run.input(ids),
                                              run.floats(segments * inner));
                    }});
}

Gather gatherOf(int64_t batch, int64_t outer, int64_t size, int64_t indexCount, int64_t inner) {
  Gather g;
  g.batch = batch;
  g.outer = outer;
  g.size = size;
  g.indexCount = indexCount;
  g.inner = inner;
  return g;
}

}  // namespace

void addMovementCases(DeviceCases* cases) {
  addCopy(cases, "a matrix", walkOf({40, 36}, {36, 1}, {36, 1}), 1440, 1440);
  addCopy(cases, "a transposed matrix", walkOf({70, 45}, {1, 70}, {45, 1}), 3150, 3150);
  addCopy(cases, "transposed matrices", walkOf({3, 33, 34}, {1122, 1, 33}, {1122, 34, 1}), 3366,
          3366);
  addCopy(cases, "a permutation", walkOf({4, 3, 5, 6}, {6, 120, 24, 1}, {90, 30, 6, 1}), 360, 360);
  addCopy(cases, "a slice", walkOf({5, 12}, {20, 1}, {12, 1}), 100, 60, 4);
  addCopy(cases, "into a slice", walkOf({5, 12}, {12, 1}, {20, 1}), 60, 100);
  addCopy(cases, "a reverse", walkOf({6, 7}, {7, -1}, {7, 1}), 42, 42, 6);
  addCopy(cases, "a repeat", walkOf({9, 4, 8}, {8, 0, 1}, {32, 8, 1}), 72, 288);
  addCopy(cases, "every third", walkOf({50}, {3}, {1}), 150, 50);
  addCopy(cases, "eight axes",
          walkOf({2, 3, 2, 2, 1, 3, 2, 2}, {1, 2, 6, 12, 24, 24, 72, 144},
                 {144, 48, 24, 12, 12, 4, 2, 1}),
          288, 288);
  addCopy(cases, "nothing", walkOf({0, 4}, {1, 0}, {4, 1}), 0, 0);
  for (const bool wrong : {false, true}) {
    addGather(cases, wrong ? "with wrong indices" : "rows", gatherOf(1, 1, 11, 300, 8), wrong);
    addGather(cases, wrong ? "in batches with wrong indices" : "in batches",
              gatherOf(3, 2, 5, 4, 7), wrong);
  }
  addGather(cases, "nothing", gatherOf(1, 1, 5, 0, 3), false);
  addSegmentSum(cases, 301, 5, 7);
  addSegmentSum(cases, 50, 132, 200);
  addSegmentSum(cases, 1000, 36, 4);
  addSegmentSum(cases, 0, 3, 4);
}

}  // namespace fastweight::test
