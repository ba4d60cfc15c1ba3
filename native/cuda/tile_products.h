// Products by our own kernels on GPUs with products of warpgroups (Hopper), whose ends do what
// would else be passes of their own. Operands are of 16 bits, sums float32.
#pragma once

#include <cuda.h>

#include <cstdint>

#include "cuda/matrix_products.h"
#include "cuda/stream.h"
#include "fastweight/fast_weight_primitives.h"

namespace fastweight::cuda {

struct TileGroup;

/// op(a) op(b) over `depth`, of operands in 16 bits whose rows start on 16 bytes.
struct ReducedPair {
  Operand a, b;
  int64_t depth = 0;
};

/// results = alpha (sum of the pairs) + beta addend, with a beta a matrix where `betas` is set.
/// a [depth, rows], b [depth, columns]: products of the transpose of a.
struct WeightProduct {
  ReducedPair pair;
  int64_t batch = 1, rows = 0, columns = 0;
  float alpha = 1, beta = 0;
  const float* betas = nullptr;
  ConstMatrices addend;
  Matrices result;
};

/// S = alpha (sum of the pairs' a b^T) + beta addend + diagonal I, symmetric. a, b [n, depth].
/// The addend is float32 or in 16 bits, or there is none. S goes to all of `result` and
/// `reducedResult` that are set.
struct ReducedSymmetricProduct {
  Element element = Element::kBfloat16;
  ReducedPair pairs[2];
  int pairCount = 1;
  int64_t batch = 1, n = 0;
  float alpha = 1, beta = 0, diagonal = 0;
  ConstMatrices addend;
  Operand reducedAddend;
  Matrices result;
  Operand reducedResult;
};

/// [g | u] = x w02^T of a tile's tokens. x [tokens, depth], w02 [2 hiddenDim, depth], bfloat16;
/// hiddenDim is a multiple of 8.
struct GateUpProduct {
  ReducedPair pair;
  int64_t batch = 1, tokens = 0, hiddenDim = 0;
};

/// Where the backward of an update's gradient goes: [tokens, 2 hiddenDim] and [tokens, hiddenDim]
/// in bfloat16, and the step sizes' cotangents [tokens, partsOfHidden(), 3] of each part.
struct GradientBackwardResults {
  Operand scaledGateUp, scaledHidden, gateUpCotangent, dHiddenCotangent;
  float* rateParts = nullptr;
};

class TileProducts {
 public:
  explicit TileProducts(Stream& stream);

  /// Whether the GPU has what these products need, and the environment variable
  /// FASTWEIGHT_CUDA_PRODUCTS does not say 'cublas'.
  bool areAvailable() const { return encode_ != nullptr; }

  /// One launch for one or two products, of bfloat16.
  void multiplyWeights(int64_t count, const WeightProduct* products);
  void multiplySymmetric(const ReducedSymmetricProduct& product);
  /// hidden [tokens, hiddenDim] = silu(g) u in bfloat16; gateUp = [g | u] where it is set.
  void swiglu(const GateUpProduct& product, const Operand& hidden, const Matrices& gateUp);
  /// The token-wise end of SwigluGradient, of dHidden [tokens, hiddenDim] in bfloat16.
  void swigluGradient(const GateUpProduct& product, const ConstMatrices& rates,
                      const Operand& dHidden, const Operand& scaledGateUp,
                      const Operand& scaledHidden);

  /// Tiles that the hidden layer's columns are cut into.
  static int64_t partsOfHidden(int64_t hiddenDim);
  /// The token-wise end of SwigluGradientBackward, where `product` is that of its cotangents
  /// [g | u], of activations gateUp and dHidden and of the scaled hidden layer's cotangent.
  template <typename Activations>
  void swigluGradientBackward(const GateUpProduct& product, const ConstMatrices& rates,
                              const Activations& gateUp, const Activations& dHidden,
                              const Operand& hiddenCotangent, const GradientBackwardResults& to);

 private:
  using Encode = decltype(&cuTensorMapEncodeTiled);

  /// The map of a batch of 16-bit matrices [rows, columns], read in boxes [boxRows, 64].
  CUtensorMap mapOf(Element element, const Operand& operand, int64_t batch, int64_t rows,
                    int64_t columns, int boxRows);
  TileGroup gateUpGroup(const GateUpProduct& product);

  Stream& stream_;
  Encode encode_ = nullptr;
};

}  // namespace fastweight::cuda
