#include <cuda_bf16.h>

#include <string>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/product_check.h"
#include "cuda/stream.h"
#include "cuda/tile_products.h"

namespace fastweight::cuda {
namespace {

// More than a tile of rows, and pieces of tiles left over.
constexpr int64_t kRows = 200, kColumns = 72, kDepth = 136;

/// Whole numbers from -3 to 3.
float numberAt(int64_t i, int64_t j) { return static_cast<float>((3 * i + 5 * j + i * j) % 7 - 3); }

/// A matrix of numberAt(), [rows, columns], as bfloat16 on the GPU.
class Numbers {
 public:
  Numbers(Stream& stream, DeviceMemory& memory, int64_t rows, int64_t columns)
      : scratch_(stream, memory, static_cast<size_t>(rows * columns) * sizeof(__nv_bfloat16)),
        columns_(columns) {
    std::vector<__nv_bfloat16> values;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns; ++j) values.push_back(__float2bfloat16_rn(numberAt(i, j)));
    }
    if (scratch_.isNull()) return;
    stream.record(cudaMemcpyAsync(scratch_.data(), values.data(), values.size() * sizeof values[0],
                                  cudaMemcpyHostToDevice, stream.handle()),
                  "copying what products are checked with");
    stream.record(cudaStreamSynchronize(stream.handle()), "copying what products are checked with");
  }
  Operand operand() const { return {scratch_.data(), columns_, 0}; }

 private:
  Scratch scratch_;
  int64_t columns_;
};

/// Compares results [rows, columns] with sum over k of product(i, j, k).
template <typename Product>
Status compare(Stream& stream, const char* what, const Scratch& results, int64_t rows,
               int64_t columns, const Product& product) {
  std::vector<float> values(static_cast<size_t>(rows * columns));
  stream.record(cudaMemcpyAsync(values.data(), results.data(), values.size() * sizeof(float),
                                cudaMemcpyDeviceToHost, stream.handle()),
                what);
  stream.record(cudaStreamSynchronize(stream.handle()), what);
  FASTWEIGHT_RETURN_IF_ERROR(stream.takeFailure());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < kDepth; ++k) sum += product(i, j, k);
      const float value = values[static_cast<size_t>(i * columns + j)];
      if (value == sum) continue;
      return Status::expected(
          Code::kInternal, std::to_string(sum),
          std::string(what) + " at [" + std::to_string(i) + ", " + std::to_string(j) + "]",
          std::to_string(value));
    }
  }
  return Status::ok();
}

Status checkWeights(Stream& stream, DeviceMemory& memory, TileProducts& products) {
  const Numbers a(stream, memory, kDepth, kRows), b(stream, memory, kDepth, kColumns);
  const Scratch results(stream, memory, kRows * kColumns * sizeof(float));
  if (results.isNull()) return stream.takeFailure();
  WeightProduct p;
  p.pair = {a.operand(), b.operand(), kDepth};
  p.rows = kRows;
  p.columns = kColumns;
  p.result = packed(results.floats(), kRows, kColumns);
  p.addend = p.result;
  products.multiplyWeights(1, &p);
  return compare(stream, "a product of tokens", results, kRows, kColumns,
                 [](int64_t i, int64_t j, int64_t k) { return numberAt(k, i) * numberAt(k, j); });
}

Status checkSymmetric(Stream& stream, DeviceMemory& memory, TileProducts& products) {
  const Numbers a(stream, memory, kRows, kDepth);
  const Scratch results(stream, memory, kRows * kRows * sizeof(float));
  if (results.isNull()) return stream.takeFailure();
  ReducedSymmetricProduct p;
  p.pairs[0] = {a.operand(), a.operand(), kDepth};
  p.n = kRows;
  p.result = packed(results.floats(), kRows, kRows);
  products.multiplySymmetric(p);
  return compare(stream, "a symmetric product", results, kRows, kRows,
                 [](int64_t i, int64_t j, int64_t k) { return numberAt(i, k) * numberAt(j, k); });
}

}  // namespace

Status checkTileProducts(int index) {
  Stream stream(index);
  DeviceMemory memory(stream);
  TileProducts products(stream);
  FASTWEIGHT_RETURN_IF_ERROR(stream.takeFailure());
  if (!products.areAvailable()) return Status::ok();
  FASTWEIGHT_RETURN_IF_ERROR(checkWeights(stream, memory, products));
  return checkSymmetric(stream, memory, products);
}

}  // namespace fastweight::cuda
