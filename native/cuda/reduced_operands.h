// Operands of products in 16 bits, made from float32 or written so by the kernels before.
#pragma once

#include <memory>
#include <vector>

#include "cuda/device_memory.h"
#include "cuda/matrix_products.h"
#include "cuda/stream.h"
#include "fastweight/matrix.h"

namespace fastweight::cuda {

/// Keeps the 16-bit forms of float32 views. Between beginProducts() and endProducts() they serve
/// every product until their memory is written; elsewhere only the product at hand.
class ReducedOperands {
 public:
  ReducedOperands(Stream& stream, DeviceMemory& memory) : stream_(stream), memory_(memory) {}

  void beginProducts() { inProducts_ = true; }
  void endProducts() {
    inProducts_ = false;
    forms_.clear();
  }
  bool inProducts() const { return inProducts_; }
  /// Behind a product: drops what served it alone.
  void productDone() {
    if (!inProducts_) forms_.clear();
  }

  /// The form of `view` [rows, columns] in `element`, for products; converts where there is none
  /// yet. Without memory for it its data is null, and that is the stream's failure.
  Operand of(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
             int64_t columns);
  /// A form that stands for `view` from now on, for a kernel to write. `isAlone` where the kernel
  /// does not write `view` itself.
  Operand toProduce(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
                    int64_t columns, bool isAlone = true);
  /// The form of `view` where it stands for it alone, else one without data.
  Operand alone(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
                int64_t columns);
  /// `view` is written as float32: its form no longer stands for it.
  void written(const ConstMatrices& view, int64_t batch, int64_t rows);

 private:
  struct Form {
    const float *begin = nullptr, *end = nullptr;
    Element element = Element::kBfloat16;
    ConstMatrices view;
    int64_t batch = 0, rows = 0, columns = 0;
    /// Whether `view` itself holds something else.
    bool isAlone = false;
    std::unique_ptr<Scratch> data;
    Operand operand;
  };

  /// As many as a tile has operands; the one used longest ago goes first. Those that one product
  /// reads, and forms that stand alone, stay.
  static constexpr size_t kMostForms = 12, kOfAProduct = 4;

  Form* find(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
             int64_t columns);
  Form* make(Element element, const ConstMatrices& view, int64_t batch, int64_t rows,
             int64_t columns);

  Stream& stream_;
  DeviceMemory& memory_;
  bool inProducts_ = false;
  std::vector<Form> forms_;
};

}  // namespace fastweight::cuda
