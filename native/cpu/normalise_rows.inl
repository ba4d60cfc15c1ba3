// RMS, layer and L2 norms of rows. Each is y = (x - mean) * factor with the mean and the factor
// taken from the row; the mean is 0 but for the layer norm.
#pragma once

#include <cmath>

#include "cpu/lanes.h"
#include "cpu/sequence_functions.h"

namespace fastweight::cpu::FASTWEIGHT_ISA {

struct RowStatistics {
  float mean, factor;
  /// xCotangent = factor * (g - mean(g)?) - (x - mean) * pull * sum(g * (x - mean)), where g is the
  /// cotangent of the normalised row.
  double pull;
};

static inline RowStatistics statisticsOf(RowNorm norm, int64_t columns, float epsilon,
                                         const float* x) {
  float mean = 0;
  if (norm == RowNorm::kLayer) {
    mean = sumOver(
               columns, [=](int64_t i) { return load(x + i); }, [=](int64_t i) { return x[i]; }) /
           static_cast<float>(columns);
  }
  const float square = sumOver(
      columns,
      [=](int64_t i) {
        const Lanes centred = load(x + i) - mean;
        return centred * centred;
      },
      [=](int64_t i) { return (x[i] - mean) * (x[i] - mean); });
  if (norm == RowNorm::kL2) {
    const double length = std::sqrt(static_cast<double>(square));
    const double factor = 1 / (length + epsilon);
    const double pull = length > 0 ? factor * factor / length : 0;
    return {mean, static_cast<float>(factor), pull};
  }
  const double count = static_cast<double>(columns);
  const double factor = 1 / std::sqrt(static_cast<double>(square) / count + epsilon);
  return {mean, static_cast<float>(factor), factor * factor * factor / count};
}

static void normaliseRows(const NormaliseRows& n, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = n.x.floats() + row * n.columns;
    float* y = n.y.floats() + row * n.columns;
    const RowStatistics s = statisticsOf(n.norm, n.columns, n.epsilon, x);
    const float* weight = n.weight;
    const float* bias = n.bias;
    if (weight == nullptr) {
      for (int64_t i = 0; i < n.columns; ++i) y[i] = (x[i] - s.mean) * s.factor;
    } else {
      for (int64_t i = 0; i < n.columns; ++i) y[i] = (x[i] - s.mean) * s.factor * weight[i];
    }
    if (bias != nullptr) {
      for (int64_t i = 0; i < n.columns; ++i) y[i] += bias[i];
    }
  }
}

static void normaliseRowsBackward(const NormaliseRowsBackward& n, int64_t begin, int64_t end,
                                  float* weightSum, float* biasSum) {
  const float* weight = n.weight;
  for (int64_t row = begin; row < end; ++row) {
    const float* x = n.x.floats() + row * n.columns;
    const float* dy = n.yCotangent + row * n.columns;
    float* dx = n.xCotangent + row * n.columns;
    const RowStatistics s = statisticsOf(n.norm, n.columns, n.epsilon, x);
    const float mean = s.mean;
    // dx holds the cotangent of the normalised row until the last pass.
    if (weight == nullptr) {
      for (int64_t i = 0; i < n.columns; ++i) dx[i] = dy[i];
    } else {
      for (int64_t i = 0; i < n.columns; ++i) dx[i] = dy[i] * weight[i];
    }
    const float* g = dx;
    const float along = sumOver(
        n.columns, [=](int64_t i) { return load(g + i) * (load(x + i) - mean); },
        [=](int64_t i) { return g[i] * (x[i] - mean); });
    const float shift = n.norm != RowNorm::kLayer
                            ? 0
                            : sumOver(
                                  n.columns, [=](int64_t i) { return load(g + i); },
                                  [=](int64_t i) { return g[i]; }) /
                                  static_cast<float>(n.columns);
    const float pull = static_cast<float>(s.pull * along);
    for (int64_t i = 0; i < n.columns; ++i) {
      dx[i] = s.factor * (dx[i] - shift) - (x[i] - mean) * pull;
    }
    if (weightSum != nullptr) {
      for (int64_t i = 0; i < n.columns; ++i) {
        weightSum[i] += dy[i] * ((x[i] - mean) * s.factor);
      }
    }
    if (biasSum != nullptr) {
      for (int64_t i = 0; i < n.columns; ++i) biasSum[i] += dy[i];
    }
  }
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
