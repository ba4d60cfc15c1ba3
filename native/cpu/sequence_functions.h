// The inner loops of the sequence kernels, compiled once for each instruction set. Each works on a
// range of items that are independent of each other.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fastweight/sequence_kernels.h"

namespace fastweight::cpu {

/// The keys [begin, end) of a head, which share a sum of their queries' cotangents: that of query t
/// stands at qSums + (t - firstQuery) * qStride. [headDim]
struct AttentionSegment {
  int64_t b = 0, h = 0, begin = 0, end = 0;
  float* qSums = nullptr;
  int64_t qStride = 0, firstQuery = 0;
};

struct SequenceFunctions {
  /// Queries, or keys in the backward, that go through attention at a time.
  int64_t attentionColumns;
  /// Floats of scratch that each of the attention functions needs.
  int64_t (*attentionScratch)(int64_t headDim);
  /// Items are (batch, head, tile of attentionColumns tokens), tiles innermost.
  void (*attention)(const Attention&, int64_t begin, int64_t end, float* scratch);
  /// Items are (batch, head, query); leaves delta [batch, heads, queryTokens] = sum of output *
  /// outputCotangent.
  void (*attentionDelta)(const AttentionBackward&, float* delta, int64_t begin, int64_t end);
  /// Reads delta; writes the cotangents of the segment's keys and values and adds to its qSums.
  void (*attentionBackward)(const AttentionBackward&, const float* delta, const AttentionSegment&,
                            float* scratch);

  /// Items are rows.
  void (*normaliseRows)(const NormaliseRows&, int64_t begin, int64_t end);
  /// As above; adds the rows' share of the parameters' cotangents to the two sums [columns], each
  /// of which may be null.
  void (*normaliseRowsBackward)(const NormaliseRowsBackward&, int64_t begin, int64_t end,
                                float* weightSum, float* biasSum);

  /// Items are (batch, token); cosines and sines [tokens, headDim / 2].
  void (*rotary)(const Rotary&, const float* cosines, const float* sines, int64_t begin,
                 int64_t end);

  /// Items are elements.
  void (*activate)(const Activate&, int64_t begin, int64_t end);
  void (*activateBackward)(const ActivateBackward&, int64_t begin, int64_t end);

  /// Items are rows; leaves logSumExp.
  void (*crossEntropy)(const CrossEntropy&, int64_t begin, int64_t end);
  /// `scale` is lossCotangent / (rows with label >= 0).
  void (*crossEntropyBackward)(const CrossEntropyBackward&, float scale, int64_t begin,
                               int64_t end);
};

/// Null where the compiler does not build for that instruction set.
const SequenceFunctions* sequenceFunctionsPortable();
const SequenceFunctions* sequenceFunctionsAvx2();
const SequenceFunctions* sequenceFunctionsAvx512();

/// The functions of the instruction set in use (cpu_features.h); portable ones for NEON, whose
/// vectors every arm64 compiler uses unasked.
const SequenceFunctions& sequenceFunctions();

}  // namespace fastweight::cpu
