// The scalar functions of the elementwise kernels, as tables: a row gives a kernel's name (that of
// tfjs) and its value. Devices build their loops, the binding its names, from these tables.
// Where a NaN goes in, the functions follow tfjs: it comes out of all but Sign and the comparisons.
#pragma once

#include <cmath>
#include <cstdint>

#include "fastweight/scalar_functions.h"

/// float y = f(float x; float p, float q). p and q are the kernel's attributes.
#define FASTWEIGHT_UNARY_FUNCTIONS(ROW)                                            \
  ROW(Abs, fabsf(x))                                                               \
  ROW(Acos, acosf(x))                                                              \
  ROW(Acosh, acoshf(x))                                                            \
  ROW(Asin, asinf(x))                                                              \
  ROW(Asinh, asinhf(x))                                                            \
  ROW(Atan, atanf(x))                                                              \
  ROW(Atanh, atanhf(x))                                                            \
  ROW(Ceil, ceilf(x))                                                              \
  ROW(ClipByValue, x > q ? q : (x < p ? p : x))                                    \
  ROW(Cos, cosf(x))                                                                \
  ROW(Cosh, coshf(x))                                                              \
  ROW(Elu, x >= 0.0f ? x : exponential(x) - 1.0f)                                  \
  ROW(Erf, erff(x))                                                                \
  ROW(Exp, exponential(x))                                                         \
  ROW(Expm1, expm1f(x))                                                            \
  ROW(Floor, floorf(x))                                                            \
  ROW(Gelu, gelu(x))                                                               \
  ROW(LeakyRelu, x < 0.0f ? p * x : x)                                             \
  ROW(Log, logarithm(x))                                                           \
  ROW(Log1p, log1pf(x))                                                            \
  ROW(Neg, -x)                                                                     \
  ROW(Reciprocal, 1.0f / x)                                                        \
  ROW(Relu, x < 0.0f ? 0.0f : x)                                                   \
  ROW(Relu6, x < 0.0f ? 0.0f : (x > 6.0f ? 6.0f : x))                              \
  ROW(Round, nearbyintf(x))                                                        \
  ROW(Rsqrt, 1.0f / sqrtf(x))                                                      \
  ROW(Selu, 1.05070098f * (x >= 0.0f ? x : 1.67326324f * (exponential(x) - 1.0f))) \
  ROW(Sigmoid, sigmoid(x))                                                         \
  ROW(Silu, silu(x))                                                               \
  ROW(Sign, x > 0.0f ? 1.0f : (x < 0.0f ? -1.0f : 0.0f))                           \
  ROW(Sin, sinf(x))                                                                \
  ROW(Sinh, sinhf(x))                                                              \
  ROW(Softplus, softplus(x))                                                       \
  ROW(Sqrt, sqrtf(x))                                                              \
  ROW(Square, x* x)                                                                \
  ROW(Step, x > 0.0f ? 1.0f : (x == x ? p : x))                                    \
  ROW(Tan, static_cast<float>(tan(static_cast<double>(x))))                        \
  ROW(Tanh, hyperbolicTangent(x))

/// bool y = f(float x).
#define FASTWEIGHT_PREDICATES(ROW)  \
  ROW(IsNan, x != x)                \
  ROW(IsInf, fabsf(x) == HUGE_VALF) \
  ROW(IsFinite, fabsf(x) < HUGE_VALF)

/// T y = f(T a, T b) for float and int32.
#define FASTWEIGHT_ARITHMETIC_FUNCTIONS(ROW)                          \
  ROW(Add, sum(a, b))                                                 \
  ROW(Sub, difference(a, b))                                          \
  ROW(Multiply, product(a, b))                                        \
  ROW(Maximum, a > b || a != a ? a : b)                               \
  ROW(Minimum, a < b || a != a ? a : b)                               \
  ROW(SquaredDifference, product(difference(a, b), difference(a, b))) \
  ROW(FloorDiv, floorQuotient(a, b))                                  \
  ROW(Mod, floorRemainder(a, b))

/// float y = f(float a, float b).
#define FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(ROW) \
  ROW(RealDiv, a / b)                          \
  ROW(Pow, powf(a, b))                         \
  ROW(Atan2, atan2f(a, b))                     \
  ROW(Prelu, a < 0.0f ? a * b : a)             \
  ROW(EluGrad, b >= 0.0f ? a : a * (b + 1.0f))

/// bool y = f(T a, T b) for float, int32 and bool.
#define FASTWEIGHT_COMPARISONS(ROW) \
  ROW(Equal, a == b)                \
  ROW(NotEqual, a != b)             \
  ROW(Greater, a > b)               \
  ROW(GreaterEqual, a >= b)         \
  ROW(Less, a < b)                  \
  ROW(LessEqual, a <= b)

/// bool y = f(bool a, bool b).
#define FASTWEIGHT_LOGICAL_FUNCTIONS(ROW) \
  ROW(LogicalAnd, (a != 0) & (b != 0))    \
  ROW(LogicalOr, (a | b) != 0)

#define FASTWEIGHT_BINARY_FUNCTIONS(ROW) \
  FASTWEIGHT_ARITHMETIC_FUNCTIONS(ROW)   \
  FASTWEIGHT_FLOAT_BINARY_FUNCTIONS(ROW) \
  FASTWEIGHT_COMPARISONS(ROW)            \
  FASTWEIGHT_LOGICAL_FUNCTIONS(ROW)

namespace fastweight {

FASTWEIGHT_SCALAR float sum(float a, float b) { return a + b; }
FASTWEIGHT_SCALAR float difference(float a, float b) { return a - b; }
FASTWEIGHT_SCALAR float product(float a, float b) { return a * b; }
FASTWEIGHT_SCALAR float floorQuotient(float a, float b) { return floorf(a / b); }

/// The remainder that has the sign of the divisor, as tfjs defines it.
FASTWEIGHT_SCALAR float floorRemainder(float a, float b) {
  const float rest = fmodf(a, b);
  return (a < 0) == (b < 0) ? rest : fmodf(rest + b, b);
}

// Integers wrap around.
FASTWEIGHT_SCALAR int32_t sum(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
FASTWEIGHT_SCALAR int32_t difference(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}
FASTWEIGHT_SCALAR int32_t product(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
}

/// Division by 0 gives 0: what tfjs's infinity becomes as an integer.
FASTWEIGHT_SCALAR int32_t floorQuotient(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t wide = a, quotient = wide / b;
  return static_cast<int32_t>(quotient * b != wide && (a < 0) != (b < 0) ? quotient - 1 : quotient);
}
FASTWEIGHT_SCALAR int32_t floorRemainder(int32_t a, int32_t b) {
  if (b == 0) return 0;
  const int64_t wide = a, rest = wide % b;
  return static_cast<int32_t>(rest != 0 && (a < 0) != (b < 0) ? rest + b : rest);
}

/// As JavaScript converts: toward zero, modulo 2^32, and 0 for what is not finite.
FASTWEIGHT_SCALAR int32_t toInt32(float x) {
  if (!(fabsf(x) < HUGE_VALF)) return 0;
  if (fabsf(x) < 2147483648.0f) return static_cast<int32_t>(x);
  const double wrapped = fmod(trunc(static_cast<double>(x)), 4294967296.0);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(wrapped)));
}

}  // namespace fastweight
