// The inner loops of elementwise kernels, reductions and softmax, compiled once per instruction
// set. They run on one thread; elementwise.cc and reduce.cc split the work.
#pragma once

#include "fastweight/tensor_kernels.h"

namespace fastweight::cpu {

constexpr int kElementTypes = 3;

/// What a run of floats is reduced with.
enum class Fold { kSum, kProd, kMax, kMin, kCount };

struct ElementwiseLoops {
  using Unary = void (*)(int64_t count, float p, float q, const float* x, float* y);
  using Predicate = void (*)(int64_t count, const float* x, uint8_t* y);
  /// Steps between elements are in elements; y is packed.
  using Binary = void (*)(int64_t count, int64_t aStep, int64_t bStep, const void* a, const void* b,
                          void* y);

  Unary unary[static_cast<int>(UnaryOp::kCount)];
  Predicate predicate[static_cast<int>(PredicateOp::kCount)];
  /// By element type; null where the function is not there for the type.
  Binary binary[kElementTypes][static_cast<int>(BinaryOp::kCount)];

  /// The fold of x [count], in lanes that are combined at the end.
  float (*fold[static_cast<int>(Fold::kCount)])(int64_t count, const float* x);
  /// y [columns] = y folded with each of `rows` rows of x, which lie `stride` apart.
  void (*foldRows[static_cast<int>(Fold::kCount)])(int64_t rows, int64_t stride, int64_t columns,
                                                   const float* x, float* y);
  /// y = softmax(x). [count]
  void (*softmax)(int64_t count, const float* x, float* y);
};

/// The loops for the instruction set in use.
const ElementwiseLoops& elementwiseLoops();

// One file each; null where the compiler or the target lacks the instruction set.
const ElementwiseLoops* elementwiseLoopsPortable();
const ElementwiseLoops* elementwiseLoopsAvx2();
const ElementwiseLoops* elementwiseLoopsAvx512();

}  // namespace fastweight::cpu
