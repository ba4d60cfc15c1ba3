// Views of batched row-major float matrices in device memory.
#pragma once

#include <cstdint>

namespace fastweight {

/// A batch of matrices: entry (b, i, j) is data[b * stride + i * leading + j]. A view owns nothing.
struct ConstMatrices {
  const float* data = nullptr;
  int64_t leading = 0;
  int64_t stride = 0;

  /// The same matrices from row `row` and column `column` on.
  ConstMatrices at(int64_t row, int64_t column = 0) const {
    return {data + row * leading + column, leading, stride};
  }
};

struct Matrices {
  float* data = nullptr;
  int64_t leading = 0;
  int64_t stride = 0;

  Matrices at(int64_t row, int64_t column = 0) const {
    return {data + row * leading + column, leading, stride};
  }
  operator ConstMatrices() const { return {data, leading, stride}; }  // NOLINT
};

/// A packed batch of [rows, columns] matrices.
inline Matrices packed(float* data, int64_t rows, int64_t columns) {
  return {data, columns, rows * columns};
}
inline ConstMatrices packed(const float* data, int64_t rows, int64_t columns) {
  return {data, columns, rows * columns};
}

}  // namespace fastweight
