// The functions of cuBLASLt that we call, found in the library at run time, so that a machine
// without it has a reason instead of a loader's error.
#pragma once

#include <cublasLt.h>

#include <string>

namespace fastweight::cuda {

#define FASTWEIGHT_CUBLAS_LT_FUNCTIONS(ROW) \
  ROW(Create)                               \
  ROW(Destroy)                              \
  ROW(GetVersion)                           \
  ROW(Matmul)                               \
  ROW(MatmulAlgoGetHeuristic)               \
  ROW(MatmulDescCreate)                     \
  ROW(MatmulDescDestroy)                    \
  ROW(MatmulDescSetAttribute)               \
  ROW(MatmulPreferenceCreate)               \
  ROW(MatmulPreferenceDestroy)              \
  ROW(MatmulPreferenceSetAttribute)         \
  ROW(MatrixLayoutCreate)                   \
  ROW(MatrixLayoutDestroy)                  \
  ROW(MatrixLayoutSetAttribute)

/// Pointers to cublasLt<name>, as members of that name.
struct CublasLt {
#define FASTWEIGHT_MEMBER(name) decltype(&cublasLt##name) name = nullptr;
  FASTWEIGHT_CUBLAS_LT_FUNCTIONS(FASTWEIGHT_MEMBER)
#undef FASTWEIGHT_MEMBER

  /// The process's one table, or null, with the reason, where the library does not load. The
  /// environment variable FASTWEIGHT_CUBLAS_LIBRARY names another file than the system finds.
  static const CublasLt* load(std::string* reason);
};

}  // namespace fastweight::cuda
