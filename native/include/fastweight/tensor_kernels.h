// Kernels of the tfjs backend on a device: elementwise, reductions, data movement. All pointers are
// device memory; outputs do not overlap inputs unless a kernel says that they may be the same.
#pragma once

#include <cstdint>

#include "fastweight/elementwise_functions.h"

namespace fastweight {

/// How an element lies in memory: 4 bytes, 4 bytes, 1 byte.
enum class ElementType { kFloat32, kInt32, kBool };

#define FASTWEIGHT_ENUMERATOR(name, value) k##name,
enum class UnaryOp { FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_ENUMERATOR) kCount };
enum class PredicateOp { FASTWEIGHT_PREDICATES(FASTWEIGHT_ENUMERATOR) kCount };
enum class BinaryOp { FASTWEIGHT_BINARY_FUNCTIONS(FASTWEIGHT_ENUMERATOR) kCount };
#undef FASTWEIGHT_ENUMERATOR

/// Whether a binary function gives bool: comparisons and logical functions, which come last.
inline bool givesBool(BinaryOp op) { return op >= BinaryOp::kEqual; }

enum class ReduceOp { kSum, kMean, kProd, kMax, kMin, kAny, kAll, kCount };

/// A walk over up to kMaxRank axes on which two arrays lie with strides of their own, in elements.
/// A stride of 0 repeats.
struct StridedPair {
  static constexpr int kMaxRank = 8;
  int rank = 0;
  int64_t sizes[kMaxRank] = {};
  int64_t firstStrides[kMaxRank] = {};
  int64_t secondStrides[kMaxRank] = {};
};

/// y [batch, outer, indexCount, inner] = x [batch, outer, size, inner] at the rows that indices
/// [batch, indexCount] name.
struct Gather {
  int64_t batch = 1, outer = 1, size = 0, indexCount = 0, inner = 1;
  int elementBytes = 4;
  const void* x = nullptr;
  const int32_t* indices = nullptr;
  void* y = nullptr;
};

class TensorKernels {
 public:
  virtual ~TensorKernels() = default;

  /// y[i] = f(x[i]; p, q). y may be x.
  virtual void unary(UnaryOp op, int64_t count, float p, float q, const float* x, float* y) = 0;
  virtual void predicate(PredicateOp op, int64_t count, const float* x, uint8_t* y) = 0;
  /// y = f(a, b), packed, with a and b walked as `layout` says; y may be a where a is packed.
  /// Comparisons and logical functions give bool, all others `type`. Returns false, doing nothing,
  /// where the function is not there for the type.
  virtual bool binary(BinaryOp op, ElementType type, const StridedPair& layout, const void* a,
                      const void* b, void* y) = 0;
  /// y[i] = condition[i] ? a[i] : b[i].
  virtual void select(int elementBytes, int64_t count, const uint8_t* condition, const void* a,
                      const void* b, void* y) = 0;
  /// Conversions between types: to int32 toward zero and modulo 2^32, to bool by comparing with 0.
  virtual void cast(ElementType from, ElementType to, int64_t count, const void* x, void* y) = 0;
  virtual void fill(ElementType type, int64_t count, double value, void* y) = 0;
  /// y[i] = start + i * step, as doubles, then converted.
  virtual void range(ElementType type, int64_t count, double start, double step, void* y) = 0;

  /// y [outer, inner] from x [outer, reduced, inner]. Float sums run in blocks of fixed size, the
  /// blocks' sums in double. kMean of kFloat32 only, kAny and kAll of kBool only, kSum of kBool
  /// gives int32; returns false, doing nothing, for a type that an operation lacks.
  virtual bool reduce(ReduceOp op, ElementType type, int64_t outer, int64_t reduced, int64_t inner,
                      const void* x, void* y) = 0;
  /// Position of the first largest (or smallest) along the middle axis.
  virtual void argReduce(bool largest, int64_t outer, int64_t reduced, int64_t inner,
                         const float* x, int32_t* y) = 0;
  /// y = softmax of each row. x, y [rows, columns].
  virtual void softmax(int64_t rows, int64_t columns, const float* x, float* y) = 0;
  /// Running sums (or products) along the middle axis of x [outer, size, inner]; exclusive ones
  /// leave an element itself out, reverse ones run from the end.
  virtual void cumulative(bool product, bool exclusive, bool reverse, int64_t outer, int64_t size,
                          int64_t inner, const float* x, float* y) = 0;

  /// Copies elements from the first array to the second, as `layout` walks them.
  virtual void copyStrided(int elementBytes, const StridedPair& layout, const void* from,
                           void* to) = 0;
  /// False, with *wrongIndex, where an index lies outside [0, size).
  virtual bool gather(const Gather& g, int32_t* wrongIndex) = 0;
  /// y [segments, inner] = sums of the rows of x [rows, inner] with the same id; ids outside
  /// [0, segments) are left out.
  virtual void segmentSum(int64_t rows, int64_t inner, int64_t segments, const float* x,
                          const int32_t* ids, float* y) = 0;
  /// y [count, depth]: `on` at each row's index, `off` elsewhere.
  virtual void oneHot(ElementType type, int64_t count, int64_t depth, double on, double off,
                      const int32_t* indices, void* y) = 0;
};

}  // namespace fastweight
