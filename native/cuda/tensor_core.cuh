// The warp-wide matrix instructions of the tensor cores (PTX ISA, "Warp-level matrix
// instructions"). With g = lane / 4 and t = lane % 4, a 16 x 8 accumulator holds rows g and g + 8
// at columns 2 t and 2 t + 1.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

namespace fastweight::cuda {

/// A lane's part of a 16 x 8 tile of sums: (g, 2 t), (g, 2 t + 1), (g + 8, 2 t), (g + 8, 2 t + 1).
struct Accumulator {
  float value[4];
};

/// sums += a b for bfloat16 a [16, 16], b [16, 8], two entries a word. a: rows g, g + 8, g, g + 8
/// at columns 2 t + {0, 1}, twice, and 2 t + 8 + {0, 1}, twice. b: column g at rows 2 t + {0, 1}
/// and 2 t + 8 + {0, 1}.
__device__ __forceinline__ void multiplyBfloat16(Accumulator& sums, const uint32_t (&a)[4],
                                                 uint32_t b0, uint32_t b1) {
  float (&c)[4] = sums.value;
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// sums += a b for tf32 a [16, 8], b [8, 8], an entry a word. a: rows g, g + 8, g, g + 8 at columns
/// t, t, t + 4, t + 4. b: column g at rows t and t + 4.
__device__ __forceinline__ void multiplyTf32(Accumulator& sums, const uint32_t (&a)[4], uint32_t b0,
                                             uint32_t b1) {
  float (&c)[4] = sums.value;
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// x with the 10 mantissa bits of tf32, to the nearest, ties away from zero.
__device__ __forceinline__ float roundToTf32(float x) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

/// Four 8 x 8 matrices of 16-bit entries from shared memory: lane l gives the address of row l % 8
/// of matrix l / 8, 16 bytes on a 16-byte boundary, and receives of each matrix row g at columns
/// 2 t and 2 t + 1.
__device__ __forceinline__ void loadMatrices(uint32_t (&to)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

/// The same of the transposed matrices: receives column g at rows 2 t and 2 t + 1.
__device__ __forceinline__ void loadMatricesTransposed(uint32_t (&to)[4], const void* row) {
  const uint32_t address = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(address)
               : "memory");
}

}  // namespace fastweight::cuda
