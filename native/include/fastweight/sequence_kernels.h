// Kernels of sequence models on a device: attention, norms, rotary embedding, activations, loss.
// All pointers are device memory. Sums run in a fixed order, so results are bitwise the same from
// run to run and for any number of threads. A kernel that needs scratch memory returns
// ERR_OUT_OF_MEMORY when there is none, before anything is written.
#pragma once

#include <cstdint>

#include "fastweight/matrix.h"
#include "fastweight/status.h"

namespace fastweight {

/// Softmax attention. Where `causal` is set, the last query is aligned with the last key: query i
/// stands at position p = i + keyTokens - queryTokens and sees the keys (p - window, p], with
/// queryTokens <= keyTokens and window >= 1. Otherwise every query sees every key, of which there
/// may be more or fewer, and `window` and `firstKeys` are not read.
/// `firstKeys` [batch, queryTokens], or null, keeps documents that share a batch element, and
/// padding before them, apart: query i sees no key before firstKeys[i], which is at most its
/// position p and does not fall along the queries.
/// Tokens are rows, batch elements the matrices of a view; head h is the columns
/// [h headDim, (h + 1) headDim).
struct AttentionShape {
  int64_t batch = 1, heads = 1, queryTokens = 0, keyTokens = 0, headDim = 0, window = 1;
  float scale = 1;
  bool causal = true;
  const int32_t* firstKeys = nullptr;
};

/// output [queryTokens, heads * headDim] = softmax(scale q k^T) v, stored so, and
/// logSumExp [batch, heads, queryTokens] of the scaled scores, which the backward reads.
struct Attention {
  AttentionShape shape;
  /// However they are stored.
  ConstMatrices q, k, v;
  Matrices output;
  Storage outputStorage = Storage::kFloat32;
  float* logSumExp = nullptr;
};

/// The cotangents of q, k and v. The scores are computed again, a tile at a time.
struct AttentionBackward {
  AttentionShape shape;
  /// However they are stored.
  ConstMatrices q, k, v, output, outputCotangent;
  const float* logSumExp = nullptr;
  Matrices qCotangent, kCotangent, vCotangent;
};

enum class RowNorm {
  kRms,    // x / sqrt(mean(x^2) + epsilon)
  kLayer,  // (x - mean(x)) / sqrt(variance(x) + epsilon)
  kL2,     // x / (||x|| + epsilon)
};

/// y = norm(x) * weight + bias, row by row. x, y [rows, columns] packed; weight, bias [columns] or
/// null, which means 1 and 0.
struct NormaliseRows {
  RowNorm norm = RowNorm::kRms;
  int64_t rows = 0, columns = 0;
  float epsilon = 0;
  StoredFloats x;
  const float* weight = nullptr;
  const float* bias = nullptr;
  StoredResult y;
};

/// The backward of NormaliseRows. Cotangents shaped as their values; weightCotangent and
/// biasCotangent may be null.
struct NormaliseRowsBackward {
  RowNorm norm = RowNorm::kRms;
  int64_t rows = 0, columns = 0;
  float epsilon = 0;
  StoredFloats x;
  const float* weight = nullptr;
  const float* yCotangent = nullptr;
  float* xCotangent = nullptr;
  float* weightCotangent = nullptr;
  float* biasCotangent = nullptr;
};

/// Rotary position embedding: pair i of the token at position p = offset + token turns by the angle
/// p base^(-2 i / headDim), or by its negative where `inverse` is set (the backward). Pairs are
/// (i, i + headDim / 2), or (2 i, 2 i + 1) where `interleaved` is set. Where `cosines` and `sines`
/// [tokens, headDim / 2] are set they are the angles', and base and offset are not read.
/// x, y [batch, tokens, heads, headDim] packed.
struct Rotary {
  int64_t batch = 1, tokens = 0, heads = 1, headDim = 0, offset = 0;
  double base = 10000;
  bool interleaved = false, inverse = false;
  const float* cosines = nullptr;
  const float* sines = nullptr;
  StoredFloats x;
  float* y = nullptr;
};

enum class Activation {
  kSilu,      // x sigmoid(x)
  kSoftplus,  // log(1 + e^x)
  kGelu,      // x Phi(x), Phi the normal distribution function
  kGeluTanh,  // the same with Phi by tanh
};

/// y = f(x + offset) or, where `up` is set, f(x + offset) * up. [count]
struct Activate {
  Activation activation = Activation::kSilu;
  int64_t count = 0;
  float offset = 0;
  StoredFloats x;
  StoredFloats up;
  StoredResult y;
};

/// The backward of Activate; upCotangent is set where `up` is. [count]
struct ActivateBackward {
  Activation activation = Activation::kSilu;
  int64_t count = 0;
  float offset = 0;
  StoredFloats x;
  StoredFloats up;
  const float* yCotangent = nullptr;
  float* xCotangent = nullptr;
  float* upCotangent = nullptr;
};

/// loss = mean over the rows with label >= 0 of -log softmax(logits)[label]; 0 where there are
/// none. logits [rows, classes] packed, labels [rows] below `classes`. logSumExp [rows, 2] receives
/// each row's maximum and the logarithm of its sum of exponentials of what exceeds the maximum.
struct CrossEntropy {
  int64_t rows = 0, classes = 0;
  const float* logits = nullptr;
  const int32_t* labels = nullptr;
  float* loss = nullptr;
  float* logSumExp = nullptr;
};

/// logitsCotangent = lossCotangent * (softmax(logits) - onehot(label)) / (rows with label >= 0),
/// and 0 in the other rows. [rows, classes]
struct CrossEntropyBackward {
  int64_t rows = 0, classes = 0;
  const float* logits = nullptr;
  const int32_t* labels = nullptr;
  const float* logSumExp = nullptr;
  const float* lossCotangent = nullptr;
  float* logitsCotangent = nullptr;
};

class SequenceKernels {
 public:
  virtual ~SequenceKernels() = default;

  virtual Status attention(const Attention&) = 0;
  virtual Status attentionBackward(const AttentionBackward&) = 0;
  virtual void normaliseRows(const NormaliseRows&) = 0;
  virtual Status normaliseRowsBackward(const NormaliseRowsBackward&) = 0;
  virtual Status rotary(const Rotary&) = 0;
  virtual void activate(const Activate&) = 0;
  virtual void activateBackward(const ActivateBackward&) = 0;
  /// The first row whose label is `classes` or more, or -1. Waits for what is queued.
  virtual int64_t firstLabelOutOfRange(int64_t rows, int64_t classes, const int32_t* labels) = 0;
  virtual void crossEntropy(const CrossEntropy&) = 0;
  virtual void crossEntropyBackward(const CrossEntropyBackward&) = 0;
};

}  // namespace fastweight
