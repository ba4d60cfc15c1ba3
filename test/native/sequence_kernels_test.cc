// Sequence kernels: the same bits for any number of threads, and every instruction set within
// rounding of float64 or of the portable one.
#include <cmath>

#include "check.h"

namespace fastweight::test {
namespace {

using Floats = std::vector<float>;

/// ||a - b|| / ||b||
double relativeError(const Floats& a, const Floats& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - double{b[i]}) * (a[i] - double{b[i]});
    size += double{b[i]} * b[i];
  }
  return std::sqrt(difference / size);
}

void append(Floats* to, const Floats& from) { to->insert(to->end(), from.begin(), from.end()); }

struct Case {
  std::string name;
  std::function<Floats(Device&)> compute;
};

Floats attention(Device& device, const AttentionShape& s) {
  const int64_t width = s.heads * s.headDim;
  const int64_t queries = s.batch * s.queryTokens * width, keys = s.batch * s.keyTokens * width;
  Random random(7);
  const Floats q = random.floats(queries), k = random.floats(keys), v = random.floats(keys);
  const Floats dOut = random.floats(queries);
  Floats out(queries), dq(queries), dk(keys), dv(keys);
  Floats logSumExp(s.batch * s.heads * s.queryTokens);
  const auto ofQueries = [&](auto& x) { return packed(x.data(), s.queryTokens, width); };
  const auto ofKeys = [&](auto& x) { return packed(x.data(), s.keyTokens, width); };
  Attention forward;
  forward.shape = s;
  forward.q = ofQueries(q);
  forward.k = ofKeys(k);
  forward.v = ofKeys(v);
  forward.output = ofQueries(out);
  forward.logSumExp = logSumExp.data();
  expect(device.attention(forward).isOk(), "attention");
  AttentionBackward backward;
  backward.shape = s;
  backward.q = forward.q;
  backward.k = forward.k;
  backward.v = forward.v;
  backward.output = forward.output;
  backward.logSumExp = logSumExp.data();
  backward.outputCotangent = ofQueries(dOut);
  backward.qCotangent = ofQueries(dq);
  backward.kCotangent = ofKeys(dk);
  backward.vCotangent = ofKeys(dv);
  expect(device.attentionBackward(backward).isOk(), "attention backward");
  for (const Floats* gradient : {&dq, &dk, &dv}) append(&out, *gradient);
  return out;
}

Floats rowNorm(Device& device, RowNorm norm, int64_t rows, int64_t columns) {
  Random random(8);
  const Floats x = random.floats(rows * columns), dy = random.floats(rows * columns);
  const Floats weight = random.floats(columns), bias = random.floats(columns);
  Floats y(rows * columns), dx(rows * columns), dWeight(columns), dBias(columns);
  NormaliseRows forward;
  forward.norm = norm;
  forward.rows = rows;
  forward.columns = columns;
  forward.epsilon = 1e-5f;
  forward.x = x.data();
  forward.weight = weight.data();
  forward.bias = bias.data();
  forward.y = y.data();
  device.normaliseRows(forward);
  NormaliseRowsBackward backward;
  backward.norm = norm;
  backward.rows = rows;
  backward.columns = columns;
  backward.epsilon = 1e-5f;
  backward.x = x.data();
  backward.weight = weight.data();
  backward.yCotangent = dy.data();
  backward.xCotangent = dx.data();
  backward.weightCotangent = dWeight.data();
  backward.biasCotangent = dBias.data();
  expect(device.normaliseRowsBackward(backward).isOk(), "norm backward");
  for (const Floats* gradient : {&dx, &dWeight, &dBias}) append(&y, *gradient);
  return y;
}

Floats rotary(Device& device, bool interleaved) {
  Rotary r;
  r.batch = 3;
  r.tokens = 301;
  r.heads = 5;
  r.headDim = 26;
  r.offset = 11;
  r.interleaved = interleaved;
  const Floats x = Random(9).floats(r.batch * r.tokens * r.heads * r.headDim);
  Floats y(x.size());
  r.x = x.data();
  r.y = y.data();
  expect(device.rotary(r).isOk(), "rotary");
  return y;
}

/// By a table instead of base and offset.
Floats tableRotary(Device& device, bool interleaved) {
  Rotary r;
  r.batch = 3;
  r.tokens = 301;
  r.heads = 5;
  r.headDim = 26;
  r.interleaved = interleaved;
  const Floats x = Random(9).floats(r.batch * r.tokens * r.heads * r.headDim);
  const Floats table = Random(10).floats(2 * r.tokens * r.headDim / 2);
  Floats y(x.size());
  r.cosines = table.data();
  r.sines = table.data() + r.tokens * r.headDim / 2;
  r.x = x.data();
  r.y = y.data();
  expect(device.rotary(r).isOk(), "rotary by a table");
  return y;
}

Floats activation(Device& device, Activation function) {
  Random random(10);
  const int64_t count = 100003;
  const Floats x = random.floats(count), up = random.floats(count), dy = random.floats(count);
  Floats y(count), dx(count), dUp(count);
  Activate forward;
  forward.activation = function;
  forward.count = count;
  forward.offset = -0.5f;
  forward.x = x.data();
  forward.up = up.data();
  forward.y = y.data();
  device.activate(forward);
  ActivateBackward backward;
  backward.activation = function;
  backward.count = count;
  backward.offset = -0.5f;
  backward.x = x.data();
  backward.up = up.data();
  backward.yCotangent = dy.data();
  backward.xCotangent = dx.data();
  backward.upCotangent = dUp.data();
  device.activateBackward(backward);
  append(&y, dx);
  append(&y, dUp);
  return y;
}

Floats crossEntropy(Device& device) {
  const int64_t rows = 211, classes = 259;
  const Floats logits = Random(11).floats(rows * classes);
  std::vector<int32_t> labels(rows);
  for (int64_t row = 0; row < rows; ++row) {
    labels[row] = row % 7 == 3 ? -1 : static_cast<int32_t>(row * 31 % classes);
  }
  Floats logSumExp(2 * rows), result(1 + rows * classes);
  CrossEntropy forward;
  forward.rows = rows;
  forward.classes = classes;
  forward.logits = logits.data();
  forward.labels = labels.data();
  forward.loss = result.data();
  forward.logSumExp = logSumExp.data();
  device.crossEntropy(forward);
  const float cotangent = 2;
  CrossEntropyBackward backward;
  backward.rows = rows;
  backward.classes = classes;
  backward.logits = logits.data();
  backward.labels = labels.data();
  backward.logSumExp = logSumExp.data();
  backward.lossCotangent = &cotangent;
  backward.logitsCotangent = result.data() + 1;
  device.crossEntropyBackward(backward);
  expect(device.firstLabelOutOfRange(rows, classes, labels.data()) == -1, "labels in range");
  labels[5] = static_cast<int32_t>(classes);
  expect(device.firstLabelOutOfRange(rows, classes, labels.data()) == 5, "label out of range");
  return result;
}

AttentionShape shapeOf(int64_t queryTokens, int64_t keyTokens, int64_t headDim, int64_t window) {
  AttentionShape s;
  s.batch = 2;
  s.heads = 3;
  s.queryTokens = queryTokens;
  s.keyTokens = keyTokens;
  s.headDim = headDim;
  s.window = window;
  s.scale = 0.3f;
  return s;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const AttentionShape& s :
       {shapeOf(150, 150, 32, 47), shapeOf(201, 201, 17, 201), shapeOf(1, 90, 64, 33),
        shapeOf(37, 120, 8, 5), shapeOf(70, 70, 128, 1), shapeOf(300, 300, 16, 40),
        shapeOf(410, 430, 20, 430)}) {
    all.push_back({"attention of " + std::to_string(s.queryTokens) + " tokens",
                   [s](Device& device) { return attention(device, s); }});
  }
  for (AttentionShape s : {shapeOf(150, 150, 32, 47), shapeOf(45, 120, 17, 120)}) {
    // Documents of 1, 2, 3, ... tokens, in the second batch element behind padding.
    const int64_t cached = s.keyTokens - s.queryTokens;
    std::vector<int32_t> firstKeys;
    for (int64_t b = 0; b < s.batch; ++b) {
      int64_t first = 0, length = 1;
      for (int64_t position = 0; position < s.keyTokens; ++position) {
        if (position == first + length) first = position, ++length;
        if (position < cached) continue;
        firstKeys.push_back(static_cast<int32_t>(b == 1 && position < 30 ? position : first));
      }
    }
    all.push_back({"attention of documents", [=](Device& device) mutable {
                     s.firstKeys = firstKeys.data();
                     return attention(device, s);
                   }});
  }
  for (AttentionShape s : {shapeOf(150, 150, 32, 1), shapeOf(90, 33, 17, 1)}) {
    s.causal = false;
    all.push_back({"attention to all of " + std::to_string(s.keyTokens) + " tokens",
                   [s](Device& device) { return attention(device, s); }});
  }
  for (const RowNorm norm : {RowNorm::kRms, RowNorm::kLayer, RowNorm::kL2}) {
    for (const int64_t columns : {3, 64, 1001}) {
      all.push_back({"row norm of " + std::to_string(columns) + " columns",
                     [=](Device& device) { return rowNorm(device, norm, 517, columns); }});
    }
  }
  for (const bool interleaved : {false, true}) {
    all.push_back({"rotary", [=](Device& device) { return rotary(device, interleaved); }});
    all.push_back(
        {"rotary by a table", [=](Device& device) { return tableRotary(device, interleaved); }});
  }
  for (const Activation function :
       {Activation::kSilu, Activation::kSoftplus, Activation::kGelu, Activation::kGeluTanh}) {
    all.push_back({"activation", [=](Device& device) { return activation(device, function); }});
  }
  all.push_back({"cross-entropy", crossEntropy});
  return all;
}

}  // namespace

void testSequenceKernels(Device& device) {
  for (const Case& each : cases()) {
    Floats portable;
    forEachIsa([&](const std::string& isa) {
      const std::string what = each.name + ", " + isa;
      const Floats values = each.compute(device);
      if (portable.empty()) portable = values;
      const double error = relativeError(values, portable);
      expect(error < 5e-7, what, "differs by " + std::to_string(error * 1e7) + "e-7");
      expectSameForAnyThreads(what, [&] { return each.compute(device); });
    });
  }
}

}  // namespace fastweight::test
