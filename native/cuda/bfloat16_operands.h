// Operands of products as bfloat16: converted once for all the products of a tile, or left so by
// the kernel that made them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/matrix_products.h"
#include "cuda/stream.h"
#include "fastweight/matrix.h"

namespace fastweight::cuda {

/// Keeps the bfloat16 forms of float32 views. Between beginTiles() and endTiles() they serve every
/// product until their memory is written; elsewhere only the product at hand.
class Bfloat16Operands {
 public:
  Bfloat16Operands(Stream& stream, DeviceMemory& memory) : stream_(stream), memory_(memory) {}

  void beginTiles() { inTiles_ = true; }
  void endTiles() {
    inTiles_ = false;
    forms_.clear();
  }
  bool inTiles() const { return inTiles_; }
  /// Behind a product: drops what served it alone.
  void productDone() {
    if (!inTiles_) forms_.clear();
  }

  /// The form of `view` [rows, columns], for products; converts where there is none yet. Without
  /// memory for it its data is null, and that is the stream's failure.
  Operand of(const ConstMatrices& view, int64_t batch, int64_t rows, int64_t columns);
  /// A form that stands for `view` from now on, for a kernel to write.
  Operand toProduce(const ConstMatrices& view, int64_t batch, int64_t rows, int64_t columns);
  /// `view` is written as float32: its form no longer stands for it.
  void written(const ConstMatrices& view, int64_t batch, int64_t rows);

 private:
  struct Form {
    const float *begin = nullptr, *end = nullptr;
    ConstMatrices view;
    int64_t batch = 0, rows = 0, columns = 0;
    std::unique_ptr<Scratch> data;
    Operand operand;
  };

  /// As many as a tile has operands; the one used longest ago goes first.
  static constexpr size_t kMostForms = 12;

  Form* find(const ConstMatrices& view, int64_t batch, int64_t rows, int64_t columns);
  Form* make(const ConstMatrices& view, int64_t batch, int64_t rows, int64_t columns);

  Stream& stream_;
  DeviceMemory& memory_;
  bool inTiles_ = false;
  std::vector<Form> forms_;
};

}  // namespace fastweight::cuda
