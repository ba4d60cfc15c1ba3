// What a reduction does with elements: from where it starts, how it takes an element in, how two
// parts combine, and what comes out. Sums and products run in double.
#pragma once

#include <cstdint>

#include "cuda/group_fold.cuh"
#include "fastweight/elementwise_functions.h"

namespace fastweight::cuda {

struct FloatSum {
  using In = float;
  using Total = double;
  using Out = float;
  static __device__ Total start(const In*) { return 0; }
  static __device__ Total add(Total total, In x, int64_t) { return total + x; }
  static __device__ Total combine(Total a, Total b) { return a + b; }
  static __device__ Out finish(Total total, double scale) {
    return static_cast<float>(total * scale);
  }
};

struct FloatProduct : FloatSum {
  static __device__ Total start(const In*) { return 1; }
  static __device__ Total add(Total total, In x, int64_t) { return total * x; }
  static __device__ Total combine(Total a, Total b) { return a * b; }
};

/// A NaN stays: nothing is larger.
struct FloatLargest {
  using In = float;
  using Total = float;
  using Out = float;
  static __device__ Total start(const In*) { return -HUGE_VALF; }
  static __device__ Total add(Total total, In x, int64_t) { return combine(total, x); }
  static __device__ Total combine(Total a, Total b) { return b > a || b != b ? b : a; }
  static __device__ Out finish(Total total, double) { return total; }
};

struct FloatSmallest : FloatLargest {
  static __device__ Total start(const In*) { return HUGE_VALF; }
  static __device__ Total add(Total total, In x, int64_t) { return combine(total, x); }
  static __device__ Total combine(Total a, Total b) { return b < a || b != b ? b : a; }
};

struct IntSum {
  using In = int32_t;
  using Total = int32_t;
  using Out = int32_t;
  static __device__ Total start(const In*) { return 0; }
  static __device__ Total add(Total total, In x, int64_t) { return sum(total, x); }
  static __device__ Total combine(Total a, Total b) { return sum(a, b); }
  static __device__ Out finish(Total total, double) { return total; }
};

struct IntProduct : IntSum {
  static __device__ Total start(const In*) { return 1; }
  static __device__ Total add(Total total, In x, int64_t) { return product(total, x); }
  static __device__ Total combine(Total a, Total b) { return product(a, b); }
};

struct IntLargest : IntSum {
  static __device__ Total start(const In*) { return INT32_MIN; }
  static __device__ Total add(Total total, In x, int64_t) { return combine(total, x); }
  static __device__ Total combine(Total a, Total b) { return b > a ? b : a; }
};

struct IntSmallest : IntSum {
  static __device__ Total start(const In*) { return INT32_MAX; }
  static __device__ Total add(Total total, In x, int64_t) { return combine(total, x); }
  static __device__ Total combine(Total a, Total b) { return b < a ? b : a; }
};

struct BoolSum : IntSum {
  using In = uint8_t;
  static __device__ Total start(const In*) { return 0; }
  static __device__ Total add(Total total, In x, int64_t) { return total + x; }
};

struct BoolAny {
  using In = uint8_t;
  using Total = int32_t;
  using Out = uint8_t;
  static __device__ Total start(const In*) { return 0; }
  static __device__ Total add(Total total, In x, int64_t) { return total | (x != 0); }
  static __device__ Total combine(Total a, Total b) { return a | b; }
  static __device__ Out finish(Total total, double) { return static_cast<Out>(total); }
};

struct BoolAll : BoolAny {
  static __device__ Total start(const In*) { return 1; }
  static __device__ Total add(Total total, In x, int64_t) { return total & (x != 0); }
  static __device__ Total combine(Total a, Total b) { return a & b; }
};

/// An element and its place.
struct Leader {
  float value;
  int32_t place;
};
__device__ __forceinline__ Leader ofPartner(Leader leader, int bits) {
  return {ofPartner(leader.value, bits), ofPartner(leader.place, bits)};
}

/// The first of the largest (or smallest) elements. Every part starts with element 0, which loses
/// to what beats it; where it is NaN nothing does.
template <bool largest>
struct FloatLeader {
  using In = float;
  using Total = Leader;
  using Out = int32_t;
  static __device__ bool beats(float a, float b) { return largest ? a > b : a < b; }
  static __device__ Total start(const In* first) { return {*first, 0}; }
  static __device__ Total add(Total total, In x, int64_t place) {
    return beats(x, total.value) ? Leader{x, static_cast<int32_t>(place)} : total;
  }
  static __device__ Total combine(Total a, Total b) {
    return beats(b.value, a.value) || (b.value == a.value && b.place < a.place) ? b : a;
  }
  static __device__ Out finish(Total total, double) { return total.place; }
};

/// Combines a fold's totals, for groupFold.
template <typename Fold>
struct CombineOf {
  __device__ __forceinline__ typename Fold::Total operator()(typename Fold::Total a,
                                                             typename Fold::Total b) const {
    return Fold::combine(a, b);
  }
};

}  // namespace fastweight::cuda
