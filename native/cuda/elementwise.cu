// Elementwise kernels from the tables of elementwise_functions.h.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/strided_index.cuh"
#include "fastweight/strided_pair.h"

namespace fastweight::cuda {
namespace {

#define FASTWEIGHT_UNARY_FUNCTION(name, expression)                               \
  struct Unary##name {                                                            \
    static __device__ __forceinline__ float of(float x, [[maybe_unused]] float p, \
                                               [[maybe_unused]] float q) {        \
      return expression;                                                          \
    }                                                                             \
  };
FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_UNARY_FUNCTION)
#undef FASTWEIGHT_UNARY_FUNCTION

#define FASTWEIGHT_PREDICATE(name, expression)                                  \
  struct Predicate##name {                                                      \
    static __device__ __forceinline__ bool of(float x) { return (expression); } \
  };
FASTWEIGHT_PREDICATES(FASTWEIGHT_PREDICATE)
#undef FASTWEIGHT_PREDICATE

#define FASTWEIGHT_BINARY_FUNCTION(name, expression)      \
  struct Binary##name {                                   \
    template <typename T>                                 \
    static __device__ __forceinline__ auto of(T a, T b) { \
      return expression;                                  \
    }                                                     \
  };
FASTWEIGHT_BINARY_FUNCTIONS(FASTWEIGHT_BINARY_FUNCTION)
#undef FASTWEIGHT_BINARY_FUNCTION

template <typename Function>
struct UnaryBody {
  float p, q;
  const float* x;
  float* y;

  template <int width>
  __device__ void at(int64_t i) const {
    Pack<float, width> values = load<width>(x + i);
    for (float& value : values.value) value = Function::of(value, p, q);
    store(y + i, values);
  }
};

/// y = f(x) for one input and one output of any types.
template <typename Function, typename From, typename To>
struct ConvertBody {
  const From* x;
  To* y;

  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<From, width> from = load<width>(x + i);
    Pack<To, width> to;
    for (int k = 0; k < width; ++k) to.value[k] = Function::of(from.value[k]);
    store(y + i, to);
  }
};

template <typename Function, typename From, typename To>
void convert(Stream& stream, const char* what, int64_t count, const void* from, void* to) {
  const ConvertBody<Function, From, To> body = {static_cast<const From*>(from),
                                                static_cast<To*>(to)};
  forElements(stream, what, count, isPackable(body.x) && isPackable(body.y), body);
}

/// y = f(a, b) where each input is packed, or one value for all.
template <typename Function, typename In, typename Out>
struct PackedBinaryBody {
  const In *a, *b;
  bool aRepeats, bRepeats;
  Out* y;

  template <int width>
  static __device__ __forceinline__ Pack<In, width> operand(const In* data, bool repeats,
                                                            int64_t i) {
    if (!repeats) return load<width>(data + i);
    Pack<In, width> values;
    for (In& value : values.value) value = *data;
    return values;
  }
  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<In, width> left = operand<width>(a, aRepeats, i);
    const Pack<In, width> right = operand<width>(b, bRepeats, i);
    Pack<Out, width> values;
    for (int k = 0; k < width; ++k) {
      values.value[k] = static_cast<Out>(Function::of(left.value[k], right.value[k]));
    }
    store(y + i, values);
  }
};

/// y = f(a, b) by any strides; packs never cross the last axis.
template <typename Function, typename In, typename Out>
struct StridedBinaryBody {
  const In *a, *b;
  StridedIndex index;
  int64_t aStep, bStep;
  Out* y;

  template <int width>
  __device__ void at(int64_t i) const {
    const PlacePair place = index(i);
    Pack<Out, width> values;
    for (int k = 0; k < width; ++k) {
      values.value[k] =
          static_cast<Out>(Function::of(a[place.first + k * aStep], b[place.second + k * bStep]));
    }
    store(y + i, values);
  }
};

template <typename Function, typename In, typename Out>
bool binaryOf(Stream& stream, const StridedPair& given, const void* aData, const void* bData,
              void* yData) {
  const In *a = static_cast<const In*>(aData), *b = static_cast<const In*>(bData);
  Out* y = static_cast<Out*>(yData);
  const StridedPair layout = merged(given);
  const int last = layout.rank - 1;
  const int64_t count = countOf(layout, layout.rank);
  const int64_t aStep = layout.firstStrides[last], bStep = layout.secondStrides[last];
  const auto packsOrRepeats = [](int64_t step) { return step == 0 || step == 1; };
  if (layout.rank == 1 && packsOrRepeats(aStep) && packsOrRepeats(bStep)) {
    const bool packable =
        isPackable(y) && (aStep == 0 || isPackable(a)) && (bStep == 0 || isPackable(b));
    forElements(stream, "binary", count, packable,
                PackedBinaryBody<Function, In, Out>{a, b, aStep == 0, bStep == 0, y});
  } else {
    forElements(stream, "binary", count,
                isPackable(y) && layout.sizes[last] % kElementsTogether == 0,
                StridedBinaryBody<Function, In, Out>{a, b, StridedIndex(layout), aStep, bStep, y});
  }
  return true;
}

struct ToFloat {
  template <typename T>
  static __device__ __forceinline__ float of(T value) {
    return static_cast<float>(value);
  }
};
struct ToInt {
  static __device__ __forceinline__ int32_t of(float value) { return toInt32(value); }
  static __device__ __forceinline__ int32_t of(int32_t value) { return value; }
  static __device__ __forceinline__ int32_t of(uint8_t value) { return value; }
};
struct ToBool {
  template <typename T>
  static __device__ __forceinline__ uint8_t of(T value) {
    return value != 0 ? 1 : 0;
  }
};

template <typename From>
void castFrom(Stream& stream, ElementType to, int64_t count, const void* x, void* y) {
  switch (to) {
    case ElementType::kFloat32:
      return convert<ToFloat, From, float>(stream, "cast", count, x, y);
    case ElementType::kInt32:
      return convert<ToInt, From, int32_t>(stream, "cast", count, x, y);
    case ElementType::kBool:
      return convert<ToBool, From, uint8_t>(stream, "cast", count, x, y);
  }
}

template <typename T>
struct SelectBody {
  const uint8_t* condition;
  const T *a, *b;
  T* y;

  template <int width>
  __device__ void at(int64_t i) const {
    const Pack<uint8_t, width> chosen = load<width>(condition + i);
    const Pack<T, width> left = load<width>(a + i), right = load<width>(b + i);
    Pack<T, width> values;
    for (int k = 0; k < width; ++k) {
      values.value[k] = chosen.value[k] != 0 ? left.value[k] : right.value[k];
    }
    store(y + i, values);
  }
};

template <typename T>
void selectOf(Stream& stream, int64_t count, const uint8_t* condition, const void* a, const void* b,
              void* y) {
  const SelectBody<T> body = {condition, static_cast<const T*>(a), static_cast<const T*>(b),
                              static_cast<T*>(y)};
  const bool packable =
      isPackable(condition) && isPackable(body.a) && isPackable(body.b) && isPackable(body.y);
  forElements(stream, "select", count, packable, body);
}

/// y[i] = value(i), as a double that is converted.
template <typename T, typename Value>
struct GenerateBody {
  Value value;
  T* y;

  template <int width>
  __device__ void at(int64_t i) const {
    Pack<T, width> values;
    for (int k = 0; k < width; ++k) values.value[k] = static_cast<T>(value(i + k));
    store(y + i, values);
  }
};

template <typename Value>
void generate(Stream& stream, const char* what, ElementType type, int64_t count, void* y,
              const Value& value) {
  const auto run = [&](auto* data) {
    using T = std::remove_pointer_t<decltype(data)>;
    forElements(stream, what, count, isPackable(data), GenerateBody<T, Value>{value, data});
  };
  switch (type) {
    case ElementType::kFloat32:
      return run(static_cast<float*>(y));
    case ElementType::kInt32:
      return run(static_cast<int32_t*>(y));
    case ElementType::kBool:
      return run(static_cast<uint8_t*>(y));
  }
}

struct RangeValue {
  double start, step;
  __device__ double operator()(int64_t i) const { return start + static_cast<double>(i) * step; }
};

struct OneHotValue {
  double on, off;
  const int32_t* indices;
  Divisor depth;
  __device__ double operator()(int64_t i) const {
    const int64_t row = depth.quotient(i);
    return indices[row] == i - row * depth.divisor() ? on : off;
  }
};

}  // namespace

void CudaDevice::unary(UnaryOp op, int64_t count, float p, float q, const float* x, float* y) {
  const bool packable = isPackable(x) && isPackable(y);
  switch (op) {
#define FASTWEIGHT_CASE(name, expression) \
  case UnaryOp::k##name:                  \
    return forElements(stream_, #name, count, packable, UnaryBody<Unary##name>{p, q, x, y});
    FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_CASE)
#undef FASTWEIGHT_CASE
    case UnaryOp::kCount:
      return;
  }
}

void CudaDevice::predicate(PredicateOp op, int64_t count, const float* x, uint8_t* y) {
  switch (op) {
#define FASTWEIGHT_CASE(name, expression) \
  case PredicateOp::k##name:              \
    return convert<Predicate##name, float, uint8_t>(stream_, #name, count, x, y);
    FASTWEIGHT_PREDICATES(FASTWEIGHT_CASE)
#undef FASTWEIGHT_CASE
    case PredicateOp::kCount:
      return;
  }
}

bool CudaDevice::binary(BinaryOp op, ElementType type, const StridedPair& layout, const void* a,
                        const void* b, void* y) {
  switch (op) {
#define FASTWEIGHT_ARITHMETIC_CASE(name, expression)                             \
  case BinaryOp::k##name:                                                        \
    if (type == ElementType::kFloat32)                                           \
      return binaryOf<Binary##name, float, float>(stream_, layout, a, b, y);     \
    if (type == ElementType::kInt32)                                             \
      return binaryOf<Binary##name, int32_t, int32_t>(stream_, layout, a, b, y); \
    return false;
#define FASTWEIGHT_FLOAT_CASE(name, expression) \
  case BinaryOp::k##name:                       \
    return type == ElementType::kFloat32 &&     \
           binaryOf<Binary##name, float, float>(stream_, layout, a, b, y);
#define FASTWEIGHT_COMPARISON_CASE(name, expression)                             \
  case BinaryOp::k##name:                                                        \
    if (type == ElementType::kFloat32)                                           \
      return binaryOf<Binary##name, float, uint8_t>(stream_, layout, a, b, y);   \
    if (type == ElementType::kInt32)                                             \
      return binaryOf<Binary##name, int32_t, uint8_t>(stream_, layout, a, b, y); \
    return binaryOf<Binary##name, uint8_t, uint8_t>(stream_, layout, a, b, y);
#define FASTWEIGHT_LOGICAL_CASE(name, expression) \
  case BinaryOp::k##name:                         \
    return type == ElementType::kBool &&          \
           binaryOf<Binary##name, uint8_t, uint8_t>(stream_, layout, a, b, y);
    FASTWEIGHT_ARITHMETIC_FUNCTIONS(FASTWEIGHT_ARITHMETIC_CASE)
    FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(FASTWEIGHT_FLOAT_CASE)
    FASTWEIGHT_COMPARISONS(FASTWEIGHT_COMPARISON_CASE)
    FASTWEIGHT_LOGICAL_FUNCTIONS(FASTWEIGHT_LOGICAL_CASE)
#undef FASTWEIGHT_ARITHMETIC_CASE
#undef FASTWEIGHT_FLOAT_CASE
#undef FASTWEIGHT_COMPARISON_CASE
#undef FASTWEIGHT_LOGICAL_CASE
    case BinaryOp::kCount:
      break;
  }
  return false;
}

void CudaDevice::select(int elementBytes, int64_t count, const uint8_t* condition, const void* a,
                        const void* b, void* y) {
  if (elementBytes == 1) {
    selectOf<uint8_t>(stream_, count, condition, a, b, y);
  } else {
    selectOf<uint32_t>(stream_, count, condition, a, b, y);
  }
}

void CudaDevice::cast(ElementType from, ElementType to, int64_t count, const void* x, void* y) {
  switch (from) {
    case ElementType::kFloat32:
      return castFrom<float>(stream_, to, count, x, y);
    case ElementType::kInt32:
      return castFrom<int32_t>(stream_, to, count, x, y);
    case ElementType::kBool:
      return castFrom<uint8_t>(stream_, to, count, x, y);
  }
}

void CudaDevice::fill(ElementType type, int64_t count, double value, void* y) {
  generate(stream_, "fill", type, count, y, RangeValue{value, 0});
}

void CudaDevice::range(ElementType type, int64_t count, double start, double step, void* y) {
  generate(stream_, "range", type, count, y, RangeValue{start, step});
}

void CudaDevice::oneHot(ElementType type, int64_t count, int64_t depth, double on, double off,
                        const int32_t* indices, void* y) {
  if (depth == 0) return;
  generate(stream_, "one-hot", type, count * depth, y,
           OneHotValue{on, off, indices, Divisor(depth, count * depth)});
}

}  // namespace fastweight::cuda
