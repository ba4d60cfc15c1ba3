// Matrix products by cuBLASLt, with its choice of algorithm kept by shape.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>

#include "cuda/cublas_lt.h"
#include "cuda/device_memory.h"
#include "cuda/stream.h"
#include "fastweight/device.h"

namespace fastweight::cuda {

/// How the elements of an operand lie in memory.
enum class Element { kFloat32, kBfloat16, kFloat16 };
inline int64_t bytesOf(Element element) { return element == Element::kFloat32 ? 4 : 2; }

/// A batch of row-major matrices: entry (b, i, j) is element b * stride + i * leading + j.
struct Operand {
  const void* data = nullptr;
  int64_t leading = 0;
  int64_t stride = 0;

  /// The same matrices from row `row` and column `column` on.
  Operand at(Element element, int64_t row, int64_t column) const {
    const int64_t offset = (row * leading + column) * bytesOf(element);
    return {static_cast<const char*>(data) + offset, leading, stride};
  }
};

/// c = alpha op(a) op(b) + beta addend, for each of `batch` row-major matrices, with sums in
/// float32. op(a) [m, k], op(b) [k, n], c [m, n]; a transposed operand is stored [k, m] or [n, k].
/// a and b are of `inputs`, addend and c of `results`. addend may be c; it is not read where beta
/// is 0.
struct Product {
  int64_t batch = 1, m = 0, n = 0, k = 0;
  bool transposeA = false, transposeB = false;
  float alpha = 1, beta = 0;
  /// Whether float32 inputs may be rounded to TF32.
  bool tf32 = false;
  Element inputs = Element::kFloat32, results = Element::kFloat32;
  Operand a, b, addend, c;
};

/// Whether rows of 16-bit entries start on 16 bytes.
inline bool isOnSixteenBytes(const Operand& o, int64_t batch) {
  return reinterpret_cast<uintptr_t>(o.data) % 16 == 0 && o.leading % 8 == 0 &&
         (batch == 1 || o.stride % 8 == 0);
}

/// The memory of float32 matrices for as many in 16 bits, in the first half of each row.
inline Operand inHalf(const Matrices& m) { return {m.data, 2 * m.leading, 2 * m.stride}; }

class MatrixProducts {
 public:
  MatrixProducts(Stream& stream, DeviceMemory& memory);
  ~MatrixProducts();
  MatrixProducts(const MatrixProducts&) = delete;
  MatrixProducts& operator=(const MatrixProducts&) = delete;

  /// Finds the library. ERR_DEVICE_UNAVAILABLE with the reason.
  Status start();
  /// Queues the product. A batch or side of 0 does nothing; k of 0 scales the addend.
  void multiply(const Product& product);

 private:
  /// What the choice of an algorithm depends on.
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, uint32_t, uint32_t>;
  static Key keyOf(const Product& product);

  Stream& stream_;
  DeviceMemory& memory_;
  const CublasLt* lt_ = nullptr;
  cublasLtHandle_t handle_ = nullptr;
  void* workspace_ = nullptr;
  std::map<Key, cublasLtMatmulAlgo_t> algorithms_;
};

}  // namespace fastweight::cuda
