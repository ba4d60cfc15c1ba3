// The loops of elementwise_loops.h. Everything here has internal linkage and uses no library
// templates, so that code compiled for one instruction set is never what the linker keeps for
// another.

namespace fastweight::cpu {
namespace {

// Elements do not depend on one another, even where an output is an input.
#if defined(__clang__)
#define FASTWEIGHT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define FASTWEIGHT_INDEPENDENT _Pragma("GCC ivdep")
#else
#define FASTWEIGHT_INDEPENDENT __pragma(loop(ivdep))
#endif

#define FASTWEIGHT_UNARY_LOOP(name, value)                                            \
  void unary##name(int64_t count, [[maybe_unused]] float p, [[maybe_unused]] float q, \
                   const float* in, float* out) {                                     \
    FASTWEIGHT_INDEPENDENT                                                            \
    for (int64_t i = 0; i < count; ++i) {                                             \
      const float x = in[i];                                                          \
      out[i] = value;                                                                 \
    }                                                                                 \
  }
FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_UNARY_LOOP)
#undef FASTWEIGHT_UNARY_LOOP

#define FASTWEIGHT_PREDICATE_LOOP(name, value)                         \
  void predicate##name(int64_t count, const float* in, uint8_t* out) { \
    for (int64_t i = 0; i < count; ++i) {                              \
      const float x = in[i];                                           \
      out[i] = value;                                                  \
    }                                                                  \
  }
FASTWEIGHT_PREDICATES(FASTWEIGHT_PREDICATE_LOOP)
#undef FASTWEIGHT_PREDICATE_LOOP

/// Steps of 0 and 1 get loops of their own: those are what broadcasting along an axis leaves.
template <typename Function, typename In, typename Out>
void binaryLoop(int64_t count, int64_t aStep, int64_t bStep, const void* aData, const void* bData,
                void* yData) {
  const In* a = static_cast<const In*>(aData);
  const In* b = static_cast<const In*>(bData);
  Out* y = static_cast<Out*>(yData);
  if (aStep == 1 && bStep == 1) {
    FASTWEIGHT_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] = Function::of(a[i], b[i]);
  } else if (aStep == 1 && bStep == 0) {
    const In right = *b;
    FASTWEIGHT_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] = Function::of(a[i], right);
  } else if (aStep == 0 && bStep == 1) {
    const In left = *a;
    FASTWEIGHT_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] = Function::of(left, b[i]);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = Function::of(a[i * aStep], b[i * bStep]);
  }
}

#define FASTWEIGHT_BINARY_FUNCTION(name, value) \
  struct name##Function {                       \
    template <typename T>                       \
    static auto of(T a, T b) {                  \
      return value;                             \
    }                                           \
  };
FASTWEIGHT_BINARY_FUNCTIONS(FASTWEIGHT_BINARY_FUNCTION)
#undef FASTWEIGHT_BINARY_FUNCTION

struct SumFold {
  static constexpr float kStart = 0;
  static float of(float a, float b) { return a + b; }
};
struct ProdFold {
  static constexpr float kStart = 1;
  static float of(float a, float b) { return a * b; }
};
// A NaN stays: nothing is larger or smaller.
struct MaxFold {
  static constexpr float kStart = -HUGE_VALF;
  static float of(float a, float b) { return b > a || b != b ? b : a; }
};
struct MinFold {
  static constexpr float kStart = HUGE_VALF;
  static float of(float a, float b) { return b < a || b != b ? b : a; }
};

template <typename F>
float foldRun(int64_t count, const float* x) {
  constexpr int kLanes = 32;
  float lanes[kLanes];
  for (int l = 0; l < kLanes; ++l) lanes[l] = F::kStart;
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) lanes[l] = F::of(lanes[l], x[i + l]);
  }
  for (int l = 0; i < count; ++i, ++l) lanes[l] = F::of(lanes[l], x[i]);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int l = 0; l < width; ++l) lanes[l] = F::of(lanes[l], lanes[l + width]);
  }
  return lanes[0];
}

template <typename F>
void foldRowsInto(int64_t rows, int64_t stride, int64_t columns, const float* x, float* y) {
  for (int64_t row = 0; row < rows; ++row) {
    const float* from = x + row * stride;
    FASTWEIGHT_INDEPENDENT
    for (int64_t i = 0; i < columns; ++i) y[i] = F::of(y[i], from[i]);
  }
}

void softmaxRow(int64_t count, const float* x, float* y) {
  const float largest = foldRun<MaxFold>(count, x);
  FASTWEIGHT_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) y[i] = exponential(x[i] - largest);
  const float scale = 1.0f / foldRun<SumFold>(count, y);
  FASTWEIGHT_INDEPENDENT
  for (int64_t i = 0; i < count; ++i) y[i] *= scale;
}

#define FASTWEIGHT_UNARY_ENTRY(name, value) unary##name,
#define FASTWEIGHT_PREDICATE_ENTRY(name, value) predicate##name,
#define FASTWEIGHT_FLOAT_ENTRY(name, value) binaryLoop<name##Function, float, float>,
#define FASTWEIGHT_INT_ENTRY(name, value) binaryLoop<name##Function, int32_t, int32_t>,
#define FASTWEIGHT_FLOAT_TEST_ENTRY(name, value) binaryLoop<name##Function, float, uint8_t>,
#define FASTWEIGHT_INT_TEST_ENTRY(name, value) binaryLoop<name##Function, int32_t, uint8_t>,
#define FASTWEIGHT_BOOL_TEST_ENTRY(name, value) binaryLoop<name##Function, uint8_t, uint8_t>,
#define FASTWEIGHT_NO_ENTRY(name, value) nullptr,

const ElementwiseLoops kLoops = {
    {FASTWEIGHT_UNARY_FUNCTIONS(FASTWEIGHT_UNARY_ENTRY)},
    {FASTWEIGHT_PREDICATES(FASTWEIGHT_PREDICATE_ENTRY)},
    {{FASTWEIGHT_ARITHMETIC_FUNCTIONS(FASTWEIGHT_FLOAT_ENTRY)    //
      FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(FASTWEIGHT_FLOAT_ENTRY)  //
      FASTWEIGHT_COMPARISONS(FASTWEIGHT_FLOAT_TEST_ENTRY)        //
      FASTWEIGHT_LOGICAL_FUNCTIONS(FASTWEIGHT_NO_ENTRY)},
     {FASTWEIGHT_ARITHMETIC_FUNCTIONS(FASTWEIGHT_INT_ENTRY)   //
      FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(FASTWEIGHT_NO_ENTRY)  //
      FASTWEIGHT_COMPARISONS(FASTWEIGHT_INT_TEST_ENTRY)       //
      FASTWEIGHT_LOGICAL_FUNCTIONS(FASTWEIGHT_NO_ENTRY)},
     {FASTWEIGHT_ARITHMETIC_FUNCTIONS(FASTWEIGHT_NO_ENTRY)    //
      FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(FASTWEIGHT_NO_ENTRY)  //
      FASTWEIGHT_COMPARISONS(FASTWEIGHT_BOOL_TEST_ENTRY)      //
      FASTWEIGHT_LOGICAL_FUNCTIONS(FASTWEIGHT_BOOL_TEST_ENTRY)}},
    {foldRun<SumFold>, foldRun<ProdFold>, foldRun<MaxFold>, foldRun<MinFold>},
    {foldRowsInto<SumFold>, foldRowsInto<ProdFold>, foldRowsInto<MaxFold>, foldRowsInto<MinFold>},
    softmaxRow,
};

}  // namespace
}  // namespace fastweight::cpu
