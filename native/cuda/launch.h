// How kernels are launched: on a stream, with the kernel's own parameter types.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace fastweight::cuda {

/// Threads of a block where a kernel has no reason for another number.
constexpr int kBlockThreads = 256;

/// Blocks and their threads. Kernels count blocks along x, where a grid may be 2^31 - 1 long.
struct LaunchShape {
  int64_t blocks = 0;
  int threads = kBlockThreads;
  /// Dynamic shared memory, which kernels reach by dynamicShared().
  int64_t sharedBytes = 0;
};

inline int64_t divideUp(int64_t count, int64_t by) { return (count + by - 1) / by; }

/// Queues kernel(arguments...); nothing where there are no blocks. What fails is recorded in the
/// stream; `what` names the kernel there.
template <typename Stream, typename... Parameters, typename... Arguments>
void launch(Stream& stream, const char* what, const LaunchShape& shape,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (shape.blocks <= 0) return;
  // Of the 48 KB that a launch gets unasked, the kernel's static arrays take some.
  constexpr int64_t kSharedWithoutAsking = 40 * 1024;
  if (shape.sharedBytes > kSharedWithoutAsking) {
    stream.record(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                       static_cast<int>(shape.sharedBytes)),
                  what);
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned int>(shape.blocks));
  config.blockDim = dim3(static_cast<unsigned int>(shape.threads));
  config.dynamicSmemBytes = static_cast<size_t>(shape.sharedBytes);
  config.stream = stream.handle();
  stream.record(cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...), what);
}

}  // namespace fastweight::cuda
