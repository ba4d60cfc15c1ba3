// Softmax cross-entropy of rows of logits. A row's statistics are its largest logit and the
// logarithm of the sum of e^(logit - largest): kept apart, they lose no digits to each other.
#pragma once

#include <cmath>

#include "cpu/lanes.h"
#include "cpu/sequence_functions.h"
#include "fastweight/scalar_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

/// The sum of e^(x - shift), through a buffer so that the exponentials vectorise.
static inline float sumOfExponentials(int64_t count, const float* x, float shift) {
  constexpr int64_t kChunk = 256;
  float values[kChunk];
  float sum = 0;
  for (int64_t start = 0; start < count; start += kChunk) {
    const int64_t length = count - start < kChunk ? count - start : kChunk;
    const float* from = x + start;
    for (int64_t i = 0; i < length; ++i) values[i] = exponential(from[i] - shift);
    const float* to = values;
    sum +=
        sumOver(length, [=](int64_t i) { return load(to + i); }, [=](int64_t i) { return to[i]; });
  }
  return sum;
}

static inline float largestOf(int64_t count, const float* x) {
  int64_t i = 0;
  float result = x[0];
  if (count >= kLanes) {
    Lanes largest = load(x);
    for (i = kLanes; i + kLanes <= count; i += kLanes) largest = larger(load(x + i), largest);
    result = largestOfLanes(largest);
  }
  for (; i < count; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

static void crossEntropy(const CrossEntropy& c, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = c.logits + row * c.classes;
    const float largest = largestOf(c.classes, x);
    c.logSumExp[2 * row] = largest;
    c.logSumExp[2 * row + 1] =
        static_cast<float>(std::log(static_cast<double>(sumOfExponentials(c.classes, x, largest))));
  }
}

static void crossEntropyBackward(const CrossEntropyBackward& c, float scale, int64_t begin,
                                 int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = c.logits + row * c.classes;
    float* dx = c.logitsCotangent + row * c.classes;
    if (c.labels[row] < 0) {
      for (int64_t i = 0; i < c.classes; ++i) dx[i] = 0;
      continue;
    }
    const float largest = c.logSumExp[2 * row];
    const float logSum = c.logSumExp[2 * row + 1];
    for (int64_t i = 0; i < c.classes; ++i) {
      dx[i] = scale * exponential((x[i] - largest) - logSum);
    }
    const int32_t label = c.labels[row];
    dx[label] = scale * (exponential((x[label] - largest) - logSum) - 1.0f);
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
