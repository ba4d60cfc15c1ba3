#include <cstring>

#include "cuda.h"
#include "cuda_emulation/runtime_api.h"

CUresult cuTensorMapEncodeTiled(CUtensorMap* map, CUtensorMapDataType, cuuint32_t dimensions,
                                void* data, const cuuint64_t* sizes, const cuuint64_t* strides,
                                const cuuint32_t* box, const cuuint32_t* elementStrides,
                                CUtensorMapInterleave, CUtensorMapSwizzle swizzle,
                                CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  constexpr uint64_t kMostSize = uint64_t{1} << 32, kMostStride = uint64_t{1} << 40;
  bool isValid = dimensions == 3 && reinterpret_cast<uintptr_t>(map) % 64 == 0 &&
                 reinterpret_cast<uintptr_t>(data) % 16 == 0 && box[0] * 2 == 128 &&
                 swizzle == CU_TENSOR_MAP_SWIZZLE_128B;
  for (int i = 0; i < 3; ++i) {
    isValid = isValid && sizes[i] > 0 && sizes[i] <= kMostSize && box[i] > 0 && box[i] <= 256 &&
              elementStrides[i] == 1;
  }
  for (int i = 0; i < 2; ++i) {
    isValid = isValid && strides[i] > 0 && strides[i] % 16 == 0 && strides[i] < kMostStride;
  }
  if (!isValid) return CUDA_ERROR_INVALID_VALUE;
  map->data = static_cast<const unsigned char*>(data);
  std::memcpy(map->sizes, sizes, sizeof map->sizes);
  std::memcpy(map->strides, strides, sizeof map->strides);
  std::memcpy(map->box, box, sizeof map->box);
  return CUDA_SUCCESS;
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** function, unsigned int,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  const bool isFound = std::strcmp(name, "cuTensorMapEncodeTiled") == 0;
  *function = isFound ? reinterpret_cast<void*>(cuTensorMapEncodeTiled) : nullptr;
  *result = isFound ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
