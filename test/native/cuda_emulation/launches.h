// Launches of kernels.
#pragma once

#include <tuple>
#include <type_traits>

#include "cuda_emulation/graphs.h"
#include "cuda_emulation/runtime_api.h"

struct cudaLaunchAttribute;
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute* attrs;
  unsigned int numAttrs;
};

namespace cuda_emulation {
/// The shared memory that a block may ask for from now on; 227 KB at the start.
void setMostSharedBytes(size_t bytes);
/// Whether a GPU would take this launch; the last error is set where it would not.
cudaError_t checkLaunch(const cudaLaunchConfig_t& config, const void* kernel);
}  // namespace cuda_emulation

template <typename... Parameters, typename... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  const cudaError_t error =
      cuda_emulation::checkLaunch(*config, reinterpret_cast<const void*>(kernel));
  if (error != cudaSuccess) return error;
  // As on a GPU, the launch copies the arguments, and every thread works on its own copy of them.
  const auto body = [kernel, copies = std::tuple<std::decay_t<Parameters>...>(
                                 static_cast<Parameters>(arguments)...)] {
    std::apply([&](const auto&... each) { kernel(each...); }, copies);
  };
  return cuda_emulation::enqueue(config->stream, [grid = config->gridDim, block = config->blockDim,
                                                  bytes = config->dynamicSmemBytes, body] {
    cuda_emulation::runGrid(grid, block, bytes, body);
  });
}
