// Access to values that may be stored as bfloat16. All threads of a kernel find the same storage.
#pragma once

#include "cuda/reduced.cuh"
#include "fastweight/matrix.h"
#include "fastweight/storage.h"

namespace fastweight::cuda {

inline bool isPackable(const StoredFloats& x) {
  return x.storage == Storage::kBfloat16 ? isPackable(static_cast<const __nv_bfloat16*>(x.data))
                                         : isPackable(static_cast<const float*>(x.data));
}
inline bool isPackable(const StoredResult& y) {
  return isPackable(StoredFloats(y.data, y.storage));
}

/// Whether packs may be read at columns that are multiples of kElementsTogether.
inline bool isPackable(const ConstMatrices& view, int64_t matrices) {
  return isPackable(StoredFloats(view.data, view.storage)) &&
         view.leading % kElementsTogether == 0 &&
         (matrices == 1 || view.stride % kElementsTogether == 0);
}

/// The values from element `i` on.
__device__ __forceinline__ StoredFloats from(StoredFloats x, int64_t i) {
  x.data = x.storage == Storage::kBfloat16
               ? static_cast<const void*>(static_cast<const __nv_bfloat16*>(x.data) + i)
               : static_cast<const void*>(static_cast<const float*>(x.data) + i);
  return x;
}

template <int width>
__device__ __forceinline__ Pack<float, width> loadFloats(const StoredFloats& x, int64_t i) {
  if (x.storage == Storage::kBfloat16) {
    return loadFloats<width>(static_cast<const __nv_bfloat16*>(x.data) + i);
  }
  return load<width>(static_cast<const float*>(x.data) + i);
}

template <int width>
__device__ __forceinline__ void store(const StoredResult& y, int64_t i,
                                      const Pack<float, width>& values) {
  if (y.storage == Storage::kBfloat16) {
    store(static_cast<__nv_bfloat16*>(y.data) + i, values);
  } else {
    store(static_cast<float*>(y.data) + i, values);
  }
}

__device__ __forceinline__ float loadFloat(const StoredFloats& x, int64_t i) {
  return loadFloats<1>(x, i).value[0];
}
__device__ __forceinline__ void storeFloat(const StoredResult& y, int64_t i, float value) {
  store(y, i, Pack<float, 1>{{value}});
}

/// Entry `i` of a view, counted from its first.
template <int width>
__device__ __forceinline__ Pack<float, width> loadFloats(const ConstMatrices& x, int64_t i) {
  if (x.storage == Storage::kBfloat16) {
    return loadFloats<width>(reinterpret_cast<const __nv_bfloat16*>(x.data) + i);
  }
  return load<width>(x.data + i);
}

}  // namespace fastweight::cuda
