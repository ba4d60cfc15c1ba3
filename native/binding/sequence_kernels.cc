// Kernels of sequence models: handles of the inputs, handles of the outputs, then sizes and
// options.
#include <string>

#include "binding/environment.h"

namespace fastweight::binding {
namespace {

Device& deviceOf(const Napi::CallbackInfo& info) { return *Session::of(info).device; }

/// batch, heads, queryTokens, keyTokens, headDim, window, scale, causal from argument `first` on.
AttentionShape attentionShape(const Napi::CallbackInfo& info, size_t first) {
  AttentionShape s;
  s.batch = integerArgument(info, first);
  s.heads = integerArgument(info, first + 1);
  s.queryTokens = integerArgument(info, first + 2);
  s.keyTokens = integerArgument(info, first + 3);
  s.headDim = integerArgument(info, first + 4);
  s.window = integerArgument(info, first + 5);
  s.scale = static_cast<float>(numberArgument(info, first + 6));
  s.causal = booleanArgument(info, first + 7);
  return s;
}

/// The tensor [batch, tokens, heads * headDim] that is argument `index`, as it is stored.
ConstMatrices tokensArgument(const Napi::CallbackInfo& info, size_t index, const AttentionShape& s,
                             int64_t tokens) {
  const int64_t width = s.heads * s.headDim;
  return packed(storedArgument(info, index, s.batch * tokens * width), tokens, width);
}

/// The same, to be written as float32.
Matrices outputTokensArgument(const Napi::CallbackInfo& info, size_t index, const AttentionShape& s,
                              int64_t tokens) {
  const int64_t width = s.heads * s.headDim;
  return packed(outputFloatsArgument(info, index, s.batch * tokens * width), tokens, width);
}

/// Adds the tensor `firstKeys` [batch, queryTokens] int32 that argument `index` may be.
void takeFirstKeys(const Napi::CallbackInfo& info, size_t index, AttentionShape* s) {
  if (numberArgument(info, index) == 0) return;
  s->firstKeys = intsArgument(info, index, s->batch * s->queryTokens);
}

/// attention(q, k, v, firstKeys, output, logSumExp, ...attentionShape)
void attention(const Napi::CallbackInfo& info) {
  Attention a;
  a.shape = attentionShape(info, 6);
  takeFirstKeys(info, 3, &a.shape);
  const AttentionShape& s = a.shape;
  a.q = tokensArgument(info, 0, s, s.queryTokens);
  a.k = tokensArgument(info, 1, s, s.keyTokens);
  a.v = tokensArgument(info, 2, s, s.keyTokens);
  const int64_t width = s.heads * s.headDim;
  const StoredResult output = storedResultArgument(info, 4, s.batch * s.queryTokens * width);
  a.output = packed(output.floats(), s.queryTokens, width);
  a.outputStorage = output.storage;
  a.logSumExp = outputFloatsArgument(info, 5, s.batch * s.heads * s.queryTokens);
  check(info.Env(), deviceOf(info).attention(a));
}

/// attentionBackward(q, k, v, firstKeys, output, logSumExp, outputCotangent, qCotangent,
///                   kCotangent, vCotangent, ...attentionShape)
void attentionBackward(const Napi::CallbackInfo& info) {
  AttentionBackward a;
  a.shape = attentionShape(info, 10);
  takeFirstKeys(info, 3, &a.shape);
  const AttentionShape& s = a.shape;
  a.q = tokensArgument(info, 0, s, s.queryTokens);
  a.k = tokensArgument(info, 1, s, s.keyTokens);
  a.v = tokensArgument(info, 2, s, s.keyTokens);
  a.output = tokensArgument(info, 4, s, s.queryTokens);
  a.logSumExp = floatsArgument(info, 5, s.batch * s.heads * s.queryTokens);
  a.outputCotangent = tokensArgument(info, 6, s, s.queryTokens);
  a.qCotangent = outputTokensArgument(info, 7, s, s.queryTokens);
  a.kCotangent = outputTokensArgument(info, 8, s, s.keyTokens);
  a.vCotangent = outputTokensArgument(info, 9, s, s.keyTokens);
  check(info.Env(), deviceOf(info).attentionBackward(a));
}

/// normaliseRows(x, weight, bias, y, norm, rows, columns, epsilon)
void normaliseRows(const Napi::CallbackInfo& info) {
  NormaliseRows n;
  n.norm = static_cast<RowNorm>(integerArgument(info, 4));
  n.rows = integerArgument(info, 5);
  n.columns = integerArgument(info, 6);
  n.epsilon = static_cast<float>(numberArgument(info, 7));
  n.x = storedArgument(info, 0, n.rows * n.columns);
  n.weight = optionalFloatsArgument(info, 1, n.columns);
  n.bias = optionalFloatsArgument(info, 2, n.columns);
  n.y = storedResultArgument(info, 3, n.rows * n.columns);
  deviceOf(info).normaliseRows(n);
}

/// normaliseRowsBackward(x, weight, yCotangent, xCotangent, weightCotangent, biasCotangent, norm,
///                       rows, columns, epsilon)
void normaliseRowsBackward(const Napi::CallbackInfo& info) {
  NormaliseRowsBackward n;
  n.norm = static_cast<RowNorm>(integerArgument(info, 6));
  n.rows = integerArgument(info, 7);
  n.columns = integerArgument(info, 8);
  n.epsilon = static_cast<float>(numberArgument(info, 9));
  n.x = storedArgument(info, 0, n.rows * n.columns);
  n.weight = optionalFloatsArgument(info, 1, n.columns);
  n.yCotangent = floatsArgument(info, 2, n.rows * n.columns);
  n.xCotangent = outputFloatsArgument(info, 3, n.rows * n.columns);
  n.weightCotangent = optionalOutputArgument(info, 4, n.columns);
  n.biasCotangent = optionalOutputArgument(info, 5, n.columns);
  check(info.Env(), deviceOf(info).normaliseRowsBackward(n));
}

/// rotaryEmbedding(x, y, batch, tokens, heads, headDim, offset, base, interleaved, inverse)
void rotaryEmbedding(const Napi::CallbackInfo& info) {
  Rotary r;
  r.batch = integerArgument(info, 2);
  r.tokens = integerArgument(info, 3);
  r.heads = integerArgument(info, 4);
  r.headDim = integerArgument(info, 5);
  r.offset = integerArgument(info, 6);
  r.base = numberArgument(info, 7);
  r.interleaved = booleanArgument(info, 8);
  r.inverse = booleanArgument(info, 9);
  const int64_t count = r.batch * r.tokens * r.heads * r.headDim;
  r.x = storedArgument(info, 0, count);
  r.y = outputFloatsArgument(info, 1, count);
  check(info.Env(), deviceOf(info).rotary(r));
}

/// tableRotaryEmbedding(x, cosines, sines, y, batch, tokens, heads, headDim, interleaved, inverse)
void tableRotaryEmbedding(const Napi::CallbackInfo& info) {
  Rotary r;
  r.batch = integerArgument(info, 4);
  r.tokens = integerArgument(info, 5);
  r.heads = integerArgument(info, 6);
  r.headDim = integerArgument(info, 7);
  r.interleaved = booleanArgument(info, 8);
  r.inverse = booleanArgument(info, 9);
  const int64_t count = r.batch * r.tokens * r.heads * r.headDim;
  r.x = storedArgument(info, 0, count);
  r.cosines = floatsArgument(info, 1, r.tokens * (r.headDim / 2));
  r.sines = floatsArgument(info, 2, r.tokens * (r.headDim / 2));
  r.y = outputFloatsArgument(info, 3, count);
  check(info.Env(), deviceOf(info).rotary(r));
}

/// activate(x, up, y, activation, count, offset)
void activate(const Napi::CallbackInfo& info) {
  Activate a;
  a.activation = static_cast<Activation>(integerArgument(info, 3));
  a.count = integerArgument(info, 4);
  a.offset = static_cast<float>(numberArgument(info, 5));
  a.x = storedArgument(info, 0, a.count);
  if (numberArgument(info, 1) != 0) a.up = storedArgument(info, 1, a.count);
  a.y = storedResultArgument(info, 2, a.count);
  deviceOf(info).activate(a);
}

/// activateBackward(x, up, yCotangent, xCotangent, upCotangent, activation, count, offset)
void activateBackward(const Napi::CallbackInfo& info) {
  ActivateBackward a;
  a.activation = static_cast<Activation>(integerArgument(info, 5));
  a.count = integerArgument(info, 6);
  a.offset = static_cast<float>(numberArgument(info, 7));
  a.x = storedArgument(info, 0, a.count);
  if (numberArgument(info, 1) != 0) a.up = storedArgument(info, 1, a.count);
  a.yCotangent = floatsArgument(info, 2, a.count);
  a.xCotangent = outputFloatsArgument(info, 3, a.count);
  a.upCotangent = a.up ? outputFloatsArgument(info, 4, a.count) : nullptr;
  deviceOf(info).activateBackward(a);
}

/// softmaxCrossEntropy(logits, labels, loss, logSumExp, rows, classes)
void softmaxCrossEntropy(const Napi::CallbackInfo& info) {
  CrossEntropy c;
  c.rows = integerArgument(info, 4);
  c.classes = integerArgument(info, 5);
  c.logits = floatsArgument(info, 0, c.rows * c.classes);
  c.labels = intsArgument(info, 1, c.rows);
  c.loss = outputFloatsArgument(info, 2, 1);
  c.logSumExp = outputFloatsArgument(info, 3, 2 * c.rows);
  const int64_t row = deviceOf(info).firstLabelOutOfRange(c.rows, c.classes, c.labels);
  if (row >= 0) {
    int32_t label = 0;
    deviceOf(info).copyToHost(&label, c.labels + row, sizeof label);
    check(info.Env(),
          Status::expected(Code::kRange, "classes below " + std::to_string(c.classes), "labels",
                           std::to_string(label) + " at position " + std::to_string(row)));
  }
  deviceOf(info).crossEntropy(c);
}

/// softmaxCrossEntropyBackward(logits, labels, logSumExp, lossCotangent, logitsCotangent, rows,
///                             classes)
void softmaxCrossEntropyBackward(const Napi::CallbackInfo& info) {
  CrossEntropyBackward c;
  c.rows = integerArgument(info, 5);
  c.classes = integerArgument(info, 6);
  c.logits = floatsArgument(info, 0, c.rows * c.classes);
  c.labels = intsArgument(info, 1, c.rows);
  c.logSumExp = floatsArgument(info, 2, 2 * c.rows);
  c.lossCotangent = floatsArgument(info, 3, 1);
  c.logitsCotangent = outputFloatsArgument(info, 4, c.rows * c.classes);
  deviceOf(info).crossEntropyBackward(c);
}

}  // namespace

void registerSequenceKernels(Functions& functions) {
  functions.add("attention", attention);
  functions.add("attentionBackward", attentionBackward);
  functions.add("normaliseRows", normaliseRows);
  functions.add("normaliseRowsBackward", normaliseRowsBackward);
  functions.add("rotaryEmbedding", rotaryEmbedding);
  functions.add("tableRotaryEmbedding", tableRotaryEmbedding);
  functions.add("activate", activate);
  functions.add("activateBackward", activateBackward);
  functions.add("softmaxCrossEntropy", softmaxCrossEntropy);
  functions.add("softmaxCrossEntropyBackward", softmaxCrossEntropyBackward);
}

}  // namespace fastweight::binding
