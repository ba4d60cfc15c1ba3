// What follows a matrix product while its results are still in registers or the first cache levels.
#pragma once

#include "fastweight/tensor_kernels.h"

namespace fastweight {

/// y = prelu(f(c + bias)) for each entry of a product c [m, n]; every part may be absent. The parts
/// give what the kernels of the same names give one after another.
struct Epilogue {
  /// Added to every row of every matrix; null for none. [n]
  const float* bias = nullptr;
  /// f, with the parameters of TensorKernels::unary(); kCount for none.
  UnaryOp activation = UnaryOp::kCount;
  float p = 0, q = 0;
  /// By column, what entries below 0 are multiplied with; null for none. [n]
  const float* slopes = nullptr;

  bool isEmpty() const {
    return bias == nullptr && activation == UnaryOp::kCount && slopes == nullptr;
  }
  /// The same for the columns from `column` on.
  Epilogue at(int64_t column) const {
    Epilogue part = *this;
    if (bias != nullptr) part.bias += column;
    if (slopes != nullptr) part.slopes += column;
    return part;
  }
};

}  // namespace fastweight
