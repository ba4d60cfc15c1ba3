// Which compiled attention kernel serves a head size and a precision, and its packed operands.
#pragma once

#include "cuda/attention_tiles.cuh"
#include "cuda/device_memory.h"
#include "fastweight/device.h"

namespace fastweight::cuda {

/// An operand of attention as [batch, heads, tokens, kDim] in scratch memory.
template <typename Product, int kDim>
class PackedHeads {
 public:
  using Element = typename Product::Element;

  PackedHeads(Stream& stream, DeviceMemory& memory, const AttentionShape& s, const ConstMatrices& x,
              int64_t tokens, float scale)
      : isEmpty_(s.batch * s.heads * tokens == 0),
        scratch_(stream, memory,
                 static_cast<size_t>(s.batch * s.heads * tokens * kDim) * sizeof(Element)) {
    if (!isNull()) packHeads<Product, kDim>(stream, s, x, tokens, scale, data());
  }

  bool isNull() const { return scratch_.isNull() && !isEmpty_; }
  Element* data() const { return static_cast<Element*>(scratch_.data()); }

 private:
  bool isEmpty_;
  Scratch scratch_;
};

/// The widest head that tiles hold.
constexpr int kWidestTiledHead = 256;

template <template <typename, int> class Pass, typename Product, typename... Arguments>
Status runForDim(int64_t headDim, Arguments&&... arguments) {
  if (headDim <= 64) return Pass<Product, 64>::run(arguments...);
  if (headDim <= 128) return Pass<Product, 128>::run(arguments...);
  return Pass<Product, kWidestTiledHead>::run(arguments...);
}

/// Pass<Product, kDim>::run(arguments...) for the precision and the least kDim that holds headDim.
template <template <typename, int> class Pass, typename... Arguments>
Status runVariant(MatmulPrecision precision, int64_t headDim, Arguments&&... arguments) {
  switch (precision) {
    case MatmulPrecision::kFloat32:
      break;
    case MatmulPrecision::kTf32:
      return runForDim<Pass, Tf32Product>(headDim, arguments...);
    case MatmulPrecision::kBfloat16:
      return runForDim<Pass, Bfloat16Product>(headDim, arguments...);
  }
  return runForDim<Pass, Float32Product>(headDim, arguments...);
}

}  // namespace fastweight::cuda
