// Vectors of floats as wide as the instruction set that the including file is compiled for. Only
// for the files that are compiled once for each: everything here stands in that set's own
// namespace, so that the linker never shares code between them.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#define FASTWEIGHT_ISA avx512
#define FASTWEIGHT_LANES 16
#elif defined(__AVX2__)
#define FASTWEIGHT_ISA avx2
#define FASTWEIGHT_LANES 8
#else
#define FASTWEIGHT_ISA portable
#define FASTWEIGHT_LANES 4
#endif

namespace fastweight::cpu::FASTWEIGHT_ISA {

constexpr int kLanes = FASTWEIGHT_LANES;

#if defined(__GNUC__)
typedef float Lanes __attribute__((vector_size(FASTWEIGHT_LANES * sizeof(float))));

static inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }
#else
struct Lanes {
  float lane[kLanes] = {};
  float operator[](int i) const { return lane[i]; }
};

#define FASTWEIGHT_LANE_OPERATOR(op)                             \
  static inline Lanes operator op(Lanes a, const Lanes& b) {     \
    for (int i = 0; i < kLanes; ++i) a.lane[i] op## = b.lane[i]; \
    return a;                                                    \
  }                                                              \
  static inline Lanes operator op(Lanes a, float b) {            \
    for (int i = 0; i < kLanes; ++i) a.lane[i] op## = b;         \
    return a;                                                    \
  }                                                              \
  template <typename T>                                          \
  static inline Lanes& operator op## = (Lanes & a, const T& b) { \
    return a = a op b;                                           \
  }
FASTWEIGHT_LANE_OPERATOR(+)
FASTWEIGHT_LANE_OPERATOR(-)
FASTWEIGHT_LANE_OPERATOR(*)
#undef FASTWEIGHT_LANE_OPERATOR
static inline Lanes operator*(float a, const Lanes& b) { return b * a; }

static inline Lanes larger(Lanes a, const Lanes& b) {
  for (int i = 0; i < kLanes; ++i) a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
  return a;
}
#endif

static inline Lanes load(const float* p) {
  Lanes x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

static inline void store(float* p, Lanes x) { std::memcpy(p, &x, sizeof x); }

#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define FASTWEIGHT_HAS_SHUFFLE
#endif
#endif

/// low and high become their lanes in turn: low[0], high[0], low[1], ...
static inline void interleave(Lanes& low, Lanes& high) {
#if defined(FASTWEIGHT_HAS_SHUFFLE)
  const Lanes a = low, b = high;
#if FASTWEIGHT_LANES == 16
  low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  high =
      __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif FASTWEIGHT_LANES == 8
  low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
#else
  float lanes[2 * kLanes];
  for (int i = 0; i < kLanes; ++i) {
    lanes[2 * i] = low[i];
    lanes[2 * i + 1] = high[i];
  }
  low = load(lanes);
  high = load(lanes + kLanes);
#endif
}

/// Transposes a square: interleaving its halves log2(kLanes) times swaps rows and lanes.
static inline void transpose(Lanes (&square)[kLanes]) {
  for (int width = 1; width < kLanes; width *= 2) {
    Lanes next[kLanes];
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = square[i];
      next[2 * i + 1] = square[i + kLanes / 2];
      interleave(next[2 * i], next[2 * i + 1]);
    }
    for (int i = 0; i < kLanes; ++i) square[i] = next[i];
  }
}

/// The sum of the lanes, halves added to halves.
static inline float sumOfLanes(Lanes x) {
  float lane[kLanes];
  store(lane, x);
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

static inline float largestOfLanes(Lanes x) {
  float lane[kLanes];
  store(lane, x);
  for (int i = 1; i < kLanes; ++i) lane[0] = lane[0] > lane[i] ? lane[0] : lane[i];
  return lane[0];
}

/// term(i) is a vector of the addends from i on, last(i) one addend; their sum over [0, count).
template <typename Term, typename Last>
static inline float sumOver(int64_t count, Term term, Last last) {
  Lanes sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    for (int s = 0; s < 4; ++s) sums[s] += term(i + s * kLanes);
  }
  for (; i + kLanes <= count; i += kLanes) sums[0] += term(i);
  float sum = sumOfLanes((sums[0] + sums[1]) + (sums[2] + sums[3]));
  for (; i < count; ++i) sum += last(i);
  return sum;
}

}  // namespace fastweight::cpu::FASTWEIGHT_ISA
