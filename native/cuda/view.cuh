// Views of batched matrices of any element type, for kernels.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/elements.cuh"
#include "cuda/matrix_products.h"
#include "fastweight/matrix.h"

namespace fastweight::cuda {

/// A batch of matrices of T: entry (b, i, j) is data[b * stride + i * leading + j].
template <typename T>
struct View {
  T* data = nullptr;
  int64_t leading = 0, stride = 0;

  __device__ __forceinline__ T* row(int64_t b, int64_t i) const {
    return data + b * stride + i * leading;
  }
  __device__ __forceinline__ T* at(int64_t b, int64_t i, int64_t j) const { return row(b, i) + j; }
  /// The same matrices from column `j` on.
  __host__ __device__ View from(int64_t j) const { return {data + j, leading, stride}; }
};

inline View<const float> viewOf(const ConstMatrices& m) { return {m.data, m.leading, m.stride}; }
inline View<float> viewOf(const Matrices& m) { return {m.data, m.leading, m.stride}; }
template <typename T>
View<T> viewOf(const Operand& o) {
  return {static_cast<T*>(const_cast<void*>(o.data)), o.leading, o.stride};
}

/// Whether packs of kElementsTogether entries may be read and written at columns that are multiples
/// of kElementsTogether.
template <typename T>
bool isPackable(const View<T>& view, int64_t batch) {
  return isPackable(view.data) && view.leading % kElementsTogether == 0 &&
         (batch == 1 || view.stride % kElementsTogether == 0);
}

}  // namespace fastweight::cuda
