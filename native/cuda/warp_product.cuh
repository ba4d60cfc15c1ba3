// Products of 16 x 16 tiles by a warp, in three precisions behind one interface. A product class
// says how operands lie in shared memory (Element, rows kPadding elements further apart than they
// are long, on 16-byte boundaries), how deep one multiply() goes, and how lanes hold operands.
// Sums lie as tensor_core.cuh's accumulators do.
#pragma once

#include "cuda/tensor_core.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {

__device__ __forceinline__ int laneGroup() { return static_cast<int>(threadIdx.x % 32) / 4; }
__device__ __forceinline__ int laneOfGroup() { return static_cast<int>(threadIdx.x % 4); }

/// bfloat16 operands, float sums.
struct Bfloat16Product {
  using Element = __nv_bfloat16;
  static constexpr int kDepth = 16, kPadding = 8;

  struct Rows {
    uint32_t words[4];
  };
  struct Columns {
    uint32_t words[4];
  };

  static __device__ __forceinline__ Element element(float x) { return __float2bfloat16_rn(x); }
  /// e^x to what the precision needs.
  static __device__ __forceinline__ float power(float x) { return __expf(x); }

  /// The left operand [16, kDepth]; tile is its first entry, rows lie `pitch` apart.
  static __device__ __forceinline__ Rows rows(const Element* tile, int pitch) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    Rows a;
    loadMatrices(a.words, tile + (lane % 16) * pitch + lane / 16 * 8);
    return a;
  }
  /// The right operand [kDepth, 16], stored as [16, kDepth].
  static __device__ __forceinline__ Columns columns(const Element* tile, int pitch) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    Columns b;
    loadMatrices(b.words, tile + (lane % 8 + lane / 16 * 8) * pitch + lane / 8 % 2 * 8);
    return b;
  }
  /// The right operand [kDepth, 16], stored as it is.
  static __device__ __forceinline__ Columns columnsTransposed(const Element* tile, int pitch) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    Columns b;
    loadMatricesTransposed(b.words, tile + (lane % 16) * pitch + lane / 16 * 8);
    return b;
  }
  /// The left operand from sums, those of its columns from the first to the kDepth-th.
  static __device__ __forceinline__ Rows rowsFrom(const Accumulator* sums) {
    Rows a;
    for (int i = 0; i < 2; ++i) {
      a.words[2 * i] = pair(sums[i].value[0], sums[i].value[1]);
      a.words[2 * i + 1] = pair(sums[i].value[2], sums[i].value[3]);
    }
    return a;
  }
  /// sums [16, 16] += a b.
  static __device__ __forceinline__ void multiply(Accumulator (&sums)[2], const Rows& a,
                                                  const Columns& b) {
    multiplyBfloat16(sums[0], a.words, b.words[0], b.words[1]);
    multiplyBfloat16(sums[1], a.words, b.words[2], b.words[3]);
  }

 private:
  static __device__ __forceinline__ uint32_t pair(float low, float high) {
    const __nv_bfloat162 both = __floats2bfloat162_rn(low, high);
    uint32_t word;
    memcpy(&word, &both, sizeof word);
    return word;
  }
};

/// tf32 operands, float sums. The depth's entries go through the tensor core in another order, the
/// same for both operands: 2 t and 2 t + 1 in the places of t and t + 4, so that accumulators are
/// left operands as they are.
struct Tf32Product {
  using Element = float;
  static constexpr int kDepth = 8, kPadding = 8;

  struct Rows {
    uint32_t words[4];
  };
  struct Columns {
    uint32_t words[4];
  };

  static __device__ __forceinline__ Element element(float x) { return roundToTf32(x); }
  static __device__ __forceinline__ float power(float x) { return exponential(x); }

  static __device__ __forceinline__ Rows rows(const Element* tile, int pitch) {
    const Element* at = tile + laneGroup() * pitch + 2 * laneOfGroup();
    const float2 upper = *reinterpret_cast<const float2*>(at);
    const float2 lower = *reinterpret_cast<const float2*>(at + 8 * pitch);
    return {{__float_as_uint(upper.x), __float_as_uint(lower.x), __float_as_uint(upper.y),
             __float_as_uint(lower.y)}};
  }
  static __device__ __forceinline__ Columns columns(const Element* tile, int pitch) {
    const Element* at = tile + laneGroup() * pitch + 2 * laneOfGroup();
    const float2 left = *reinterpret_cast<const float2*>(at);
    const float2 right = *reinterpret_cast<const float2*>(at + 8 * pitch);
    return {{__float_as_uint(left.x), __float_as_uint(left.y), __float_as_uint(right.x),
             __float_as_uint(right.y)}};
  }
  static __device__ __forceinline__ Columns columnsTransposed(const Element* tile, int pitch) {
    const Element* at = tile + 2 * laneOfGroup() * pitch + laneGroup();
    return {{__float_as_uint(at[0]), __float_as_uint(at[pitch]), __float_as_uint(at[8]),
             __float_as_uint(at[pitch + 8])}};
  }
  static __device__ __forceinline__ Rows rowsFrom(const Accumulator* sums) {
    const float (&c)[4] = sums->value;
    return {{__float_as_uint(roundToTf32(c[0])), __float_as_uint(roundToTf32(c[2])),
             __float_as_uint(roundToTf32(c[1])), __float_as_uint(roundToTf32(c[3]))}};
  }
  static __device__ __forceinline__ void multiply(Accumulator (&sums)[2], const Rows& a,
                                                  const Columns& b) {
    multiplyTf32(sums[0], a.words, b.words[0], b.words[1]);
    multiplyTf32(sums[1], a.words, b.words[2], b.words[3]);
  }
};

/// float32 throughout, on the ordinary cores: a lane multiplies the entries of its sums.
struct Float32Product {
  using Element = float;
  static constexpr int kDepth = 8, kPadding = 4;

  struct Rows {
    float upper[kDepth], lower[kDepth];  // rows g and g + 8
  };
  struct Columns {
    float entries[kDepth][4];  // columns 2 t, 2 t + 1, 2 t + 8, 2 t + 9
  };

  static __device__ __forceinline__ Element element(float x) { return x; }
  static __device__ __forceinline__ float power(float x) { return exponential(x); }

  static __device__ __forceinline__ Rows rows(const Element* tile, int pitch) {
    const Element* at = tile + laneGroup() * pitch;
    Rows a;
    for (int k = 0; k < kDepth; k += 4) {
      *reinterpret_cast<float4*>(a.upper + k) = *reinterpret_cast<const float4*>(at + k);
      *reinterpret_cast<float4*>(a.lower + k) =
          *reinterpret_cast<const float4*>(at + 8 * pitch + k);
    }
    return a;
  }
  static __device__ __forceinline__ Columns columns(const Element* tile, int pitch) {
    Columns b;
    for (int n = 0; n < 4; ++n) {
      const Element* at = tile + (2 * laneOfGroup() + n % 2 + n / 2 * 8) * pitch;
      for (int k = 0; k < kDepth; k += 4) {
        const float4 some = *reinterpret_cast<const float4*>(at + k);
        b.entries[k][n] = some.x;
        b.entries[k + 1][n] = some.y;
        b.entries[k + 2][n] = some.z;
        b.entries[k + 3][n] = some.w;
      }
    }
    return b;
  }
  static __device__ __forceinline__ Columns columnsTransposed(const Element* tile, int pitch) {
    Columns b;
    for (int k = 0; k < kDepth; ++k) {
      const Element* at = tile + k * pitch + 2 * laneOfGroup();
      const float2 left = *reinterpret_cast<const float2*>(at);
      const float2 right = *reinterpret_cast<const float2*>(at + 8);
      b.entries[k][0] = left.x;
      b.entries[k][1] = left.y;
      b.entries[k][2] = right.x;
      b.entries[k][3] = right.y;
    }
    return b;
  }
  static __device__ __forceinline__ Rows rowsFrom(const Accumulator* sums) {
    const int first = 4 * laneGroup();
    Rows a;
    for (int k = 0; k < kDepth; ++k) {
      a.upper[k] = __shfl_sync(0xffffffffu, sums->value[k % 2], first + k / 2);
      a.lower[k] = __shfl_sync(0xffffffffu, sums->value[2 + k % 2], first + k / 2);
    }
    return a;
  }
  static __device__ __forceinline__ void multiply(Accumulator (&sums)[2], const Rows& a,
                                                  const Columns& b) {
    for (int k = 0; k < kDepth; ++k) {
      for (int n = 0; n < 4; ++n) {
        float (&c)[4] = sums[n / 2].value;
        c[n % 2] += a.upper[k] * b.entries[k][n];
        c[2 + n % 2] += a.lower[k] * b.entries[k][n];
      }
    }
  }
};

}  // namespace fastweight::cuda
