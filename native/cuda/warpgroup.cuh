// Matrix products of a warpgroup on the tensor cores of Hopper (PTX ISA, "Asynchronous warpgroup-
// level matrix instructions"): operands come from shared memory, which is read until
// waitForProducts(), and sums stay in registers, as warpgroup_layout.cuh says.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "cuda/warpgroup_layout.cuh"

namespace fastweight::cuda {

/// The address of the block's own shared memory as instructions take it.
__device__ __forceinline__ uint32_t sharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define FASTWEIGHT_HOPPER(instruction) instruction
#else
// Not reached: other GPUs do not run kernels of warpgroups.
#define FASTWEIGHT_HOPPER(instruction) __trap()
#endif

/// Sums that were written by other instructions may be taken by products.
__device__ __forceinline__ void beginProducts() {
  FASTWEIGHT_HOPPER(asm volatile("wgmma.fence.sync.aligned;" :: : "memory"));
}
/// Ends a group of the warpgroup's products.
__device__ __forceinline__ void endProducts() {
  FASTWEIGHT_HOPPER(asm volatile("wgmma.commit_group.sync.aligned;" :: : "memory"));
}
/// Waits for all groups of products but the last `later`.
template <int later>
__device__ __forceinline__ void waitForProducts() {
  FASTWEIGHT_HOPPER(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(later) : "memory"));
}

/// Behind waitForProducts<0>(): what reads the sums stays behind it. To the compiler they are there
/// as soon as a product began.
__device__ __forceinline__ void takeSums(float (&sums)[kProductSums]) {
#pragma unroll
  for (int i = 0; i < kProductSums; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

#define FASTWEIGHT_SUMS_TEXT                                               \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15," \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29,"  \
  "%30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43,"  \
  "%44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57,"  \
  "%58, %59, %60, %61, %62, %63}, "
#define FASTWEIGHT_EIGHT_SUMS(i)                                                             \
  "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3]), "+f"(sums[i + 4]), \
      "+f"(sums[i + 5]), "+f"(sums[i + 6]), "+f"(sums[i + 7])
#define FASTWEIGHT_SUMS                                                                \
  FASTWEIGHT_EIGHT_SUMS(0), FASTWEIGHT_EIGHT_SUMS(8), FASTWEIGHT_EIGHT_SUMS(16),       \
      FASTWEIGHT_EIGHT_SUMS(24), FASTWEIGHT_EIGHT_SUMS(32), FASTWEIGHT_EIGHT_SUMS(40), \
      FASTWEIGHT_EIGHT_SUMS(48), FASTWEIGHT_EIGHT_SUMS(56)
#define FASTWEIGHT_MULTIPLY(type)                                                           \
  asm volatile(                                                                             \
      "{\n.reg .pred adds;\nsetp.ne.b32 adds, %66, 0;\n"                                    \
      "wgmma.mma_async.sync.aligned.m64n128k16.f32." type "." type " " FASTWEIGHT_SUMS_TEXT \
      "%64, %65, adds, 1, 1, %67, %68;\n}"                                                  \
      : FASTWEIGHT_SUMS                                                                     \
      : "l"(a), "l"(b), "r"(static_cast<int>(adds)), "n"(int{aDepthwise}), "n"(int{bDepthwise}))

/// sums = a b, or += where it `adds`, of bfloat16 or float16 operands that the descriptors say.
template <typename Element, bool aDepthwise, bool bDepthwise>
__device__ __forceinline__ void multiplyTiles(float (&sums)[kProductSums], uint64_t a, uint64_t b,
                                              bool adds) {
  if constexpr (std::is_same_v<Element, __nv_bfloat16>) {
    FASTWEIGHT_HOPPER(FASTWEIGHT_MULTIPLY("bf16"));
  } else {
    static_assert(std::is_same_v<Element, __half>, "bfloat16 or float16");
    FASTWEIGHT_HOPPER(FASTWEIGHT_MULTIPLY("f16"));
  }
}

#undef FASTWEIGHT_MULTIPLY
#undef FASTWEIGHT_SUMS
#undef FASTWEIGHT_EIGHT_SUMS
#undef FASTWEIGHT_SUMS_TEXT

/// Gives registers of the calling warpgroup back, or takes more, so that it has `registers` of each
/// thread.
template <int registers>
__device__ __forceinline__ void shrinkRegisters() {
  FASTWEIGHT_HOPPER(asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers)));
}
template <int registers>
__device__ __forceinline__ void growRegisters() {
  FASTWEIGHT_HOPPER(asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers)));
}

/// The transpose of an 8 x 8 matrix of 16-bit entries over a warp: a lane has row g at columns 2 t
/// and 2 t + 1, and gets column g at rows 2 t and 2 t + 1.
__device__ __forceinline__ uint32_t transposeMatrix(uint32_t row) {
  uint32_t column;
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(column) : "r"(row));
  return column;
}

}  // namespace fastweight::cuda
