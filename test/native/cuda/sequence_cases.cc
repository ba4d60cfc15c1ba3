// Row norms, rotary embedding, activations, cross-entropy.
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

struct NormCase {
  RowNorm norm;
  int64_t rows, columns;
  bool weight, bias;
};

void addNorm(DeviceCases* cases, const NormCase& c) {
  cases->push_back({"row norm " + std::to_string(static_cast<int>(c.norm)) + " [" +
                        std::to_string(c.rows) + ", " + std::to_string(c.columns) + "]",
                    [=](DeviceRun& run) {
                      Random random(1);
                      const int64_t count = c.rows * c.columns;
                      NormaliseRows forward;
                      forward.norm = c.norm;
                      forward.rows = c.rows;
                      forward.columns = c.columns;
                      forward.epsilon = 1e-5f;
                      forward.x = run.input(random.floats(count));
                      forward.weight = c.weight ? run.input(random.floats(c.columns)) : nullptr;
                      forward.bias = c.bias ? run.input(random.floats(c.columns)) : nullptr;
                      forward.y = run.floats(count);
                      run.device().normaliseRows(forward);
                      NormaliseRowsBackward backward;
                      backward.norm = c.norm;
                      backward.rows = c.rows;
                      backward.columns = c.columns;
                      backward.epsilon = 1e-5f;
                      backward.x = forward.x;
                      backward.weight = forward.weight;
                      backward.yCotangent = run.input(random.floats(count));
                      backward.xCotangent = run.floats(count);
                      backward.weightCotangent = c.weight ? run.floats(c.columns) : nullptr;
                      backward.biasCotangent = c.bias ? run.floats(c.columns) : nullptr;
                      const Status status = run.device().normaliseRowsBackward(backward);
                      expect(status.isOk(), "norm backward", status.message());
                    },
                    3e-6});
}

struct RotaryCase {
  bool interleaved, inverse, table;
};

void addRotary(DeviceCases* cases, const RotaryCase& c) {
  cases->push_back({std::string("rotary embedding") + (c.interleaved ? ", interleaved" : "") +
                        (c.inverse ? ", inverse" : "") + (c.table ? ", by a table" : ""),
                    [=](DeviceRun& run) {
                      Rotary r;
                      r.batch = 2;
                      r.tokens = 31;
                      r.heads = 3;
                      r.headDim = 26;
                      r.offset = 1000;
                      r.interleaved = c.interleaved;
                      r.inverse = c.inverse;
                      const int64_t count = r.batch * r.tokens * r.heads * r.headDim;
                      r.x = run.input(Random(2).floats(count));
                      if (c.table) {
                        r.cosines = run.input(Random(3).floats(r.tokens * r.headDim / 2));
                        r.sines = run.input(Random(4).floats(r.tokens * r.headDim / 2));
                      }
                      r.y = run.floats(count);
                      const Status status = run.device().rotary(r);
                      expect(status.isOk(), "rotary", status.message());
                    }});
}

void addActivation(DeviceCases* cases, Activation activation, bool gated) {
  cases->push_back(
      {"activation " + std::to_string(static_cast<int>(activation)) + (gated ? ", gated" : ""),
       [=](DeviceRun& run) {
         Random random(5);
         const int64_t count = 1031;
         Activate forward;
         forward.activation = activation;
         forward.count = count;
         forward.offset = -0.5f;
         forward.x = run.input(random.floats(count));
         forward.up = gated ? run.input(random.floats(count)) : nullptr;
         forward.y = run.floats(count);
         run.device().activate(forward);
         ActivateBackward backward;
         backward.activation = activation;
         backward.count = count;
         backward.offset = -0.5f;
         backward.x = forward.x;
         backward.up = forward.up;
         backward.yCotangent = run.input(random.floats(count));
         backward.xCotangent = run.floats(count);
         backward.upCotangent = gated ? run.floats(count) : nullptr;
         run.device().activateBackward(backward);
       }});
}

void addCrossEntropy(DeviceCases* cases, int64_t rows, int64_t classes, bool labelled) {
  cases->push_back({"cross-entropy [" + std::to_string(rows) + ", " + std::to_string(classes) + "]",
                    [=](DeviceRun& run) {
                      std::vector<float> logits = Random(6).floats(rows * classes);
                      for (float& value : logits) value *= 8;
                      std::vector<int32_t> labels;
                      for (int64_t row = 0; row < rows; ++row) {
                        labels.push_back(!labelled || row % 7 == 3
                                             ? -1
                                             : static_cast<int32_t>(row * 31 % classes));
                      }
                      CrossEntropy forward;
                      forward.rows = rows;
                      forward.classes = classes;
                      forward.logits = run.input(logits);
                      forward.labels = run.input(labels);
                      forward.loss = run.floats(1);
                      forward.logSumExp = run.floats(2 * rows);
                      run.device().crossEntropy(forward);
                      CrossEntropyBackward backward;
                      backward.rows = rows;
                      backward.classes = classes;
                      backward.logits = forward.logits;
                      backward.labels = forward.labels;
                      backward.logSumExp = forward.logSumExp;
                      backward.lossCotangent = run.input(std::vector<float>{2});
                      backward.logitsCotangent = run.floats(rows * classes);
                      run.device().crossEntropyBackward(backward);
                      run.note(static_cast<double>(
                          run.device().firstLabelOutOfRange(rows, classes, forward.labels)));
                      labels[labels.size() / 2] = static_cast<int32_t>(classes);
                      labels.back() = static_cast<int32_t>(classes) + 1;
                      run.note(static_cast<double>(
                          run.device().firstLabelOutOfRange(rows, classes, run.input(labels))));
                    },
                    3e-6});
}

}  // namespace

void addSequenceCases(DeviceCases* cases) {
  for (const RowNorm norm : {RowNorm::kRms, RowNorm::kLayer, RowNorm::kL2}) {
    addNorm(cases, {norm, 37, 20, true, true});
    addNorm(cases, {norm, 5, 67, false, false});
    addNorm(cases, {norm, 3, 1540, true, false});
    addNorm(cases, {norm, 2, 13001, false, true});
    addNorm(cases, {norm, 2, 25004, true, true});
  }
  addNorm(cases, {RowNorm::kRms, 2, 6144, true, true});  // as softmax of 12288 columns
  for (int kind = 0; kind < 8; ++kind) {
    addRotary(cases, {(kind & 1) != 0, (kind & 2) != 0, (kind & 4) != 0});
  }
  for (const Activation activation :
       {Activation::kSilu, Activation::kSoftplus, Activation::kGelu, Activation::kGeluTanh}) {
    addActivation(cases, activation, false);
    addActivation(cases, activation, true);
  }
  addCrossEntropy(cases, 23, 61, true);
  addCrossEntropy(cases, 5, 1200, true);
  addCrossEntropy(cases, 4, 9, false);
}

}  // namespace fastweight::test
