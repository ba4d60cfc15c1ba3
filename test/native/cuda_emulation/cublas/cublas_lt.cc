// Products by plain loops: inputs rounded as their type or the compute type says, sums in double.
#include <cstring>
#include <vector>

#include "cublasLt.h"
#include "cuda_bf16.h"
#include "cuda_emulation/functions.h"
#include "cuda_emulation/graphs.h"
#include "cuda_fp16.h"

struct cublasLtContext {};
struct cublasLtLayout {
  cudaDataType type;
  int64_t rows, columns, leading, stride;
  int32_t batch;
};
struct cublasLtOperation {
  cublasComputeType_t compute;
  cublasOperation_t transposeA, transposeB;
};
struct cublasLtPreference {};

namespace {

float entry(const void* data, const cublasLtLayout& layout, int64_t batch, int64_t row,
            int64_t column) {
  const int64_t at = batch * layout.stride + column * layout.leading + row;
  if (layout.type == CUDA_R_32F) return static_cast<const float*>(data)[at];
  if (layout.type == CUDA_R_16F) return __half2float(static_cast<const __half*>(data)[at]);
  return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[at]);
}

/// op(matrix) [rows, columns], row by row, in the inputs' precision.
std::vector<float> operand(const void* data, const cublasLtLayout& layout, int64_t batch,
                           bool transpose, bool tf32) {
  const int64_t rows = transpose ? layout.columns : layout.rows;
  const int64_t columns = transpose ? layout.rows : layout.columns;
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const float value =
          transpose ? entry(data, layout, batch, j, i) : entry(data, layout, batch, i, j);
      const float rounded = __uint_as_float((__float_as_uint(value) + 0x1000u) & 0xffffe000u);
      values[static_cast<size_t>(i * columns + j)] = tf32 ? rounded : value;
    }
  }
  return values;
}

bool shapesAgree(const cublasLtOperation& operation, const cublasLtLayout& a,
                 const cublasLtLayout& b, const cublasLtLayout& c, const cublasLtLayout& d) {
  const bool left = operation.transposeA == CUBLAS_OP_T;
  const bool right = operation.transposeB == CUBLAS_OP_T;
  const int64_t m = left ? a.columns : a.rows, k = left ? a.rows : a.columns;
  const int64_t bRows = right ? b.columns : b.rows, n = right ? b.rows : b.columns;
  return bRows == k && c.rows == m && c.columns == n && d.rows == m && d.columns == n &&
         a.batch == d.batch && b.batch == d.batch && c.batch == d.batch && a.type == b.type &&
         c.type == d.type;
}

/// d = alpha op(a) op(b) + beta c.
struct Multiplication {
  cublasLtOperation operation;
  cublasLtLayout aLayout, bLayout, cLayout, dLayout;
  float alpha, beta;
  const void *a, *b, *c;
  void* d;

  void run() const {
    const bool tf32 = operation.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    const bool transposeA = operation.transposeA == CUBLAS_OP_T;
    const int64_t m = dLayout.rows, n = dLayout.columns;
    const int64_t k = transposeA ? aLayout.rows : aLayout.columns;
    std::vector<double> sums(static_cast<size_t>(n));
    for (int64_t batch = 0; batch < dLayout.batch; ++batch) {
      const std::vector<float> left = operand(a, aLayout, batch, transposeA, tf32);
      const std::vector<float> right =
          operand(b, bLayout, batch, operation.transposeB == CUBLAS_OP_T, tf32);
      for (int64_t i = 0; i < m; ++i) {
        sums.assign(sums.size(), 0);
        for (int64_t l = 0; l < k; ++l) {
          const double factor = left[static_cast<size_t>(i * k + l)];
          const float* row = right.data() + l * n;
          for (int64_t j = 0; j < n; ++j) sums[static_cast<size_t>(j)] += factor * row[j];
        }
        for (int64_t j = 0; j < n; ++j) {
          const double added = beta == 0 ? 0 : beta * entry(c, cLayout, batch, i, j);
          const float value = static_cast<float>(alpha * sums[static_cast<size_t>(j)] + added);
          const int64_t at = batch * dLayout.stride + j * dLayout.leading + i;
          if (dLayout.type == CUDA_R_32F) {
            static_cast<float*>(d)[at] = value;
          } else if (dLayout.type == CUDA_R_16F) {
            static_cast<__half*>(d)[at] = __float2half_rn(value);
          } else {
            static_cast<__nv_bfloat16*>(d)[at] = __float2bfloat16_rn(value);
          }
        }
      }
    }
  }
};

}  // namespace

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
size_t cublasLtGetVersion() { return CUBLAS_VER_MAJOR * 10000; }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t leading) {
  if (leading < static_cast<int64_t>(rows)) return CUBLAS_STATUS_INVALID_VALUE;
  *layout = new cublasLtLayout{
      type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading, 0, 1};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout,
                                                cublasLtMatrixLayoutAttribute_t attribute,
                                                const void* value, size_t bytes) {
  if (attribute == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT && bytes == sizeof layout->batch) {
    std::memcpy(&layout->batch, value, bytes);
  } else if (attribute == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET &&
             bytes == sizeof layout->stride) {
    std::memcpy(&layout->stride, value, bytes);
  } else {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t compute, cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  *operation = new cublasLtOperation{compute, CUBLAS_OP_N, CUBLAS_OP_N};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  auto& transpose =
      attribute == CUBLASLT_MATMUL_DESC_TRANSA ? operation->transposeA : operation->transposeB;
  if (bytes != sizeof transpose) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&transpose, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtPreference();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t,
                                                    cublasLtMatmulPreferenceAttributes_t,
                                                    const void*, size_t) {
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  *count = 0;
  if (wanted < 1 || !shapesAgree(*operation, *a, *b, *c, *d)) return CUBLAS_STATUS_INVALID_VALUE;
  results[0] = {};
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                              const void* alphaData, const void* a, cublasLtMatrixLayout_t aLayout,
                              const void* b, cublasLtMatrixLayout_t bLayout, const void* betaData,
                              const void* c, cublasLtMatrixLayout_t cLayout, void* d,
                              cublasLtMatrixLayout_t dLayout, const cublasLtMatmulAlgo_t*, void*,
                              size_t, cudaStream_t stream) {
  if (!shapesAgree(*operation, *aLayout, *bLayout, *cLayout, *dLayout)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Multiplication multiplication = {*operation,
                                         *aLayout,
                                         *bLayout,
                                         *cLayout,
                                         *dLayout,
                                         *static_cast<const float*>(alphaData),
                                         *static_cast<const float*>(betaData),
                                         a,
                                         b,
                                         c,
                                         d};
  const cudaError_t error = cuda_emulation::enqueue(stream, [=] { multiplication.run(); });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
