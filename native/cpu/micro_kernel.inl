// The micro-kernels, written once over a vector type. A file that includes this defines, in an
// anonymous namespace: Vector, kWidth, kTileRows, kTileVectors, load, store, broadcast, zeroVector,
// multiply, multiplyAdd(x, y, z) = x * y + z, and transposeSquare for [kWidth, kWidth]. Everything
// here has internal linkage and uses no library templates, so that code compiled for one
// instruction set is never what the linker keeps for another.

namespace fastweight::cpu {
namespace {

// Tiles live in registers only where every loop over them is unrolled.
#if defined(__clang__)
#define FASTWEIGHT_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define FASTWEIGHT_UNROLL _Pragma("GCC unroll 16")
#else
#define FASTWEIGHT_UNROLL
#endif

template <int kRows, int kVectors, LeftLayout kLayout>
void multiplyTile(const TileProduct& t) {
  Vector sums[kRows][kVectors];
  FASTWEIGHT_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FASTWEIGHT_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[i][v] = zeroVector();
  }
  const float* a = t.a;
  const float* b = t.b;
  const int64_t aStride = t.aStride;
  const int64_t bStride = t.bStride;
  for (int64_t p = t.k; p > 0; --p) {
    Vector right[kVectors];
    FASTWEIGHT_UNROLL
    for (int v = 0; v < kVectors; ++v) right[v] = load(b + v * kWidth);
    FASTWEIGHT_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const Vector left = broadcast(kLayout == kRowLayout ? a + i * aStride : a + i);
      FASTWEIGHT_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[i][v] = multiplyAdd(left, right[v], sums[i][v]);
    }
    a += kLayout == kRowLayout ? 1 : aStride;
    b += bStride;
  }
  const Vector alpha = broadcast(&t.alpha);
  const Vector beta = broadcast(&t.beta);
  const bool add = t.beta != 0;
  FASTWEIGHT_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FASTWEIGHT_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      Vector value = multiply(alpha, sums[i][v]);
      if (add) value = multiplyAdd(beta, load(t.addend + i * t.addendLeading + v * kWidth), value);
      store(t.c + i * t.cLeading + v * kWidth, value);
    }
  }
}

void packRight(int64_t k, int64_t n, const float* b, int64_t bStride, float* to) {
  constexpr int kColumns = kTileVectors * kWidth;
  const int64_t whole = n / kColumns * kColumns;
  // A few rows at a time from end to end: as many streams as the processor follows by itself.
  constexpr int64_t kRowsTogether = 8;
  for (int64_t first = 0; first < k; first += kRowsTogether) {
    const int64_t end = first + kRowsTogether < k ? first + kRowsTogether : k;
    for (int64_t j = 0; j < whole; j += kColumns) {
      for (int64_t p = first; p < end; ++p) {
        FASTWEIGHT_UNROLL
        for (int v = 0; v < kTileVectors; ++v) {
          store(to + j * k + p * kColumns + v * kWidth, load(b + p * bStride + j + v * kWidth));
        }
      }
    }
  }
  if (whole == n) return;
  to += whole * k;
  for (int64_t p = 0; p < k; ++p) {
    const float* row = b + p * bStride + whole;
    for (int64_t j = 0; j < kColumns; ++j) to[j] = j < n - whole ? row[j] : 0.0f;
    to += kColumns;
  }
}

void packLeft(int64_t m, int64_t k, const float* a, int64_t aStride, float* to) {
  const int64_t whole = m / kTileRows * kTileRows;
  for (int64_t p = 0; p < k; ++p) {
    const float* column = a + p * aStride;
    for (int64_t i = 0; i < whole; i += kTileRows) {
      memcpy(to + i * k + p * kTileRows, column + i, kTileRows * sizeof(float));
    }
    for (int64_t i = whole; i < m; ++i) to[whole * k + p * (m - whole) + i - whole] = column[i];
  }
}

void transpose(int64_t rows, int64_t columns, const float* from, int64_t fromStride, float* to,
               int64_t toStride) {
  const int64_t wholeRows = rows / kWidth * kWidth;
  const int64_t wholeColumns = columns / kWidth * kWidth;
  for (int64_t i = 0; i < wholeRows; i += kWidth) {
    for (int64_t j = 0; j < wholeColumns; j += kWidth) {
      transposeSquare(from + i * fromStride + j, fromStride, to + j * toStride + i, toStride);
    }
  }
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = i < wholeRows ? wholeColumns : 0; j < columns; ++j) {
      to[j * toStride + i] = from[i * fromStride + j];
    }
  }
}

#define FASTWEIGHT_TILE_ROWS(LAYOUT)                                                        \
  {FASTWEIGHT_TILES(1, LAYOUT),  FASTWEIGHT_TILES(2, LAYOUT),  FASTWEIGHT_TILES(3, LAYOUT), \
   FASTWEIGHT_TILES(4, LAYOUT),  FASTWEIGHT_TILES(5, LAYOUT),  FASTWEIGHT_TILES(6, LAYOUT), \
   FASTWEIGHT_TILES(7, LAYOUT),  FASTWEIGHT_TILES(8, LAYOUT),  FASTWEIGHT_TILES(9, LAYOUT), \
   FASTWEIGHT_TILES(10, LAYOUT), FASTWEIGHT_TILES(11, LAYOUT), FASTWEIGHT_TILES(12, LAYOUT)}
// Rows beyond the largest tile repeat it; they are never asked for.
#define FASTWEIGHT_TILES(ROWS, LAYOUT)                             \
  {multiplyTile<(ROWS < kTileRows ? ROWS : kTileRows), 1, LAYOUT>, \
   multiplyTile<(ROWS < kTileRows ? ROWS : kTileRows), kTileVectors, LAYOUT>}

const MicroKernels kKernels = {
    kWidth,
    kTileRows,
    kTileVectors* kWidth,
    {FASTWEIGHT_TILE_ROWS(kRowLayout), FASTWEIGHT_TILE_ROWS(kColumnLayout)},
    packRight,
    packLeft,
    transpose,
};

#undef FASTWEIGHT_TILE_ROWS
#undef FASTWEIGHT_TILES

}  // namespace
}  // namespace fastweight::cpu
