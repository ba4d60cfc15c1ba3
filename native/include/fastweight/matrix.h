// Views of batched row-major float matrices in device memory.
#pragma once

#include <cstdint>

#include "fastweight/storage.h"

namespace fastweight {

/// A batch of matrices: entry (b, i, j) is data[b * stride + i * leading + j]. A view owns nothing.
struct ConstMatrices {
  const float* data = nullptr;
  int64_t leading = 0;
  int64_t stride = 0;
  /// How the entries lie. Views are float32 but where a primitive says that it takes others.
  Storage storage = Storage::kFloat32;

  /// The same matrices from row `row` and column `column` on.
  ConstMatrices at(int64_t row, int64_t column = 0) const {
    return {behind(row * leading + column), leading, stride, storage};
  }
  /// Where entry `count` lies, counted from the first.
  const float* behind(int64_t count) const {
    const auto* bytes = reinterpret_cast<const char*>(data) + count * bytesOf(storage);
    return reinterpret_cast<const float*>(bytes);
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
inline ConstMatrices packed(const StoredFloats& values, int64_t rows, int64_t columns) {
  return {values.floats(), columns, rows * columns, values.storage};
}

}  // namespace fastweight
