// Norms: a matrix by its Frobenius norm, rows to given norms, and their backward passes. Sums run
// in double in an order that is fixed.
#include <algorithm>

#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"
#include "cuda/matrix_rows.cuh"

namespace fastweight::cuda {
namespace {

/// Entries of a matrix that one block sums.
constexpr int64_t kPartFloats = 16384;

/// parts[b, p] = sum of x * y over rows [p * band, (p + 1) * band) of matrix b.
__global__ void __launch_bounds__(kBlockThreads)
    matrixDotsKernel(int64_t bands, int64_t band, int64_t rows, int64_t columns, ConstMatrices x,
                     ConstMatrices y, double* parts) {
  const int64_t b = blockIdx.x / bands, first = blockIdx.x % bands * band;
  const int64_t last = first + band < rows ? first + band : rows;
  const float* xs = x.data + b * x.stride;
  const float* ys = y.data + b * y.stride;
  double sum = 0;
  for (int64_t i = first; i < last; ++i) {
    for (int64_t j = threadIdx.x; j < columns; j += kBlockThreads) {
      sum += xs[i * x.leading + j] * ys[i * y.leading + j];
    }
  }
  sum = groupSum<kBlockThreads>(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

/// How the sums of parts become results.
enum class Finish { kNorm, kSum, kAddSum };

/// results[b] from the sum of parts[b, .]; a block a matrix.
__global__ void __launch_bounds__(kBlockThreads)
    finishDotsKernel(int64_t bands, Finish finish, const double* parts, float* results) {
  double sum = 0;
  for (int64_t p = threadIdx.x; p < bands; p += kBlockThreads) {
    sum += parts[blockIdx.x * bands + p];
  }
  sum = groupSum<kBlockThreads>(sum);
  if (threadIdx.x != 0) return;
  float* result = results + blockIdx.x;
  if (finish == Finish::kNorm) {
    *result = static_cast<float>(sqrt(sum));
  } else {
    *result = static_cast<float>(sum) + (finish == Finish::kAddSum ? *result : 0.0f);
  }
}

/// results[b] = the dot product of matrices b of x and y, finished.
void matrixDots(Stream& stream, DeviceMemory& memory, int64_t batch, int64_t rows, int64_t columns,
                const ConstMatrices& x, const ConstMatrices& y, Finish finish, float* results) {
  if (batch <= 0) return;
  const int64_t band = std::max<int64_t>(1, kPartFloats / std::max<int64_t>(1, columns));
  const int64_t bands = std::max<int64_t>(1, divideUp(rows, band));
  const Scratch parts(stream, memory, static_cast<size_t>(batch * bands) * sizeof(double));
  if (parts.isNull()) return;
  stream.activate();
  launch(stream, "dot products of matrices", {batch * bands}, matrixDotsKernel, bands, band, rows,
         columns, x, y, parts.doubles());
  launch(stream, "dot products of matrices", {batch}, finishDotsKernel, bands, finish,
         static_cast<const double*>(parts.doubles()), results);
}

constexpr int kSide = 32;
constexpr int kRowsTogether = 8;

/// y = f(x) entry by entry, or y = f(x)^T. Body::entry(b, i, j) gives f(x) at row i, column j of x.
template <typename Body>
__global__ void __launch_bounds__(kSide* kRowsTogether)
    mapMatricesKernel(int64_t rows, int64_t columns, bool transpose, Body body, Matrices y) {
  const int64_t across = (columns + kSide - 1) / kSide, down = (rows + kSide - 1) / kSide;
  const int64_t b = blockIdx.x / (across * down);
  const int64_t row0 = blockIdx.x / across % down * kSide, column0 = blockIdx.x % across * kSide;
  const int x = static_cast<int>(threadIdx.x) % kSide, yy = static_cast<int>(threadIdx.x) / kSide;
  float* to = y.data + b * y.stride;
  __shared__ float tile[kSide][kSide + 1];
  for (int i = yy; i < kSide; i += kRowsTogether) {
    const int64_t row = row0 + i, column = column0 + x;
    if (row >= rows || column >= columns) continue;
    const float value = body.entry(b, row, column);
    if (transpose) {
      tile[i][x] = value;
    } else {
      to[row * y.leading + column] = value;
    }
  }
  if (!transpose) return;
  __syncthreads();
  for (int i = yy; i < kSide; i += kRowsTogether) {
    const int64_t row = column0 + i, column = row0 + x;
    if (row < columns && column < rows) to[row * y.leading + column] = tile[x][i];
  }
}

template <typename Body>
void mapMatrices(Stream& stream, const char* what, int64_t batch, int64_t rows, int64_t columns,
                 bool transpose, const Body& body, const Matrices& y) {
  stream.activate();
  launch(stream, what,
         {batch * divideUp(rows, kSide) * divideUp(columns, kSide), kSide * kRowsTogether},
         mapMatricesKernel<Body>, rows, columns, transpose, body, y);
}

struct Normalised {
  ConstMatrices d;
  const float* norms;
  float epsilon;
  __device__ float entry(int64_t b, int64_t i, int64_t j) const {
    return d.data[b * d.stride + i * d.leading + j] * (1.0f / (norms[b] + epsilon));
  }
};

struct NormalisedCotangent {
  ConstMatrices x, xCotangent;
  const float *norms, *along;
  float epsilon;
  __device__ float entry(int64_t b, int64_t i, int64_t j) const {
    // x = d / (n + e): dd = dx / (n + e) - x <x, dx> / n, from d = x (n + e).
    const float norm = norms[b];
    const float projection = norm > 0 ? along[b] / norm : 0.0f;
    return xCotangent.data[b * xCotangent.stride + i * xCotangent.leading + j] *
               (1.0f / (norm + epsilon)) -
           x.data[b * x.stride + i * x.leading + j] * projection;
  }
};

struct Same {
  ConstMatrices x;
  __device__ float entry(int64_t b, int64_t i, int64_t j) const {
    return x.data[b * x.stride + i * x.leading + j];
  }
};

/// The sums of squares and products that a row needs, over the block.
template <int width>
__device__ __forceinline__ double rowDot(int64_t columns, const float* x, const float* y) {
  double sum = 0;
  for (int64_t j = int64_t{threadIdx.x} * width; j < columns; j += kBlockThreads * width) {
    const Pack<float, width> xs = load<width>(x + j), ys = load<width>(y + j);
    float part = 0;
    for (int i = 0; i < width; ++i) part += xs.value[i] * ys.value[i];
    sum += part;
  }
  return groupSum<kBlockThreads>(sum);
}

/// A block a row; `width` divides the columns.
template <int width>
__global__ void __launch_bounds__(kBlockThreads) stepAndRenormaliseKernel(StepAndRenormalise p) {
  const int64_t start = blockIdx.x * p.columns;
  float* main = p.main + start;
  double squares = 0;
  for (int64_t j = int64_t{threadIdx.x} * width; j < p.columns; j += kBlockThreads * width) {
    Pack<float, width> values = load<width>(main + j);
    const Pack<float, width> step = load<width>(p.step + start + j);
    float part = 0;
    for (int i = 0; i < width; ++i) {
      values.value[i] += step.value[i];
      part += values.value[i] * values.value[i];
    }
    store(main + j, values);
    squares += part;
  }
  if (p.live == nullptr) return;
  squares = groupSum<kBlockThreads>(squares);
  const float norm = static_cast<float>(sqrt(squares));
  const float scale = p.norms[blockIdx.x] / (norm + p.epsilon);
  // Each thread reads again what it wrote itself.
  for (int64_t j = int64_t{threadIdx.x} * width; j < p.columns; j += kBlockThreads * width) {
    Pack<float, width> values = load<width>(main + j);
    for (float& value : values.value) value *= scale;
    store(p.live + start + j, values);
  }
}

/// main + step of a row's columns from j on.
template <int width>
__device__ __forceinline__ Pack<float, width> sumOf(const RenormaliseBackward& p, int64_t j) {
  Pack<float, width> sum = load<width>(p.main + j);
  if (p.step != nullptr) {
    const Pack<float, width> step = load<width>(p.step + j);
    for (int i = 0; i < width; ++i) sum.value[i] += step.value[i];
  }
  return sum;
}

template <int width>
__global__ void __launch_bounds__(kBlockThreads) renormaliseBackwardKernel(RenormaliseBackward p) {
  // live = t / (n + e) * s with n = ||s||: ds = t / (n + e) * (dlive - s <s, dlive> / (n (n + e))).
  const int64_t start = blockIdx.x * p.columns, end = start + p.columns;
  double squares = 0, dots = 0;
  for (int64_t j = start + int64_t{threadIdx.x} * width; j < end; j += kBlockThreads * width) {
    const Pack<float, width> s = sumOf<width>(p, j);
    const Pack<float, width> cotangent = load<width>(p.liveCotangent + j);
    float square = 0, dot = 0;
    for (int i = 0; i < width; ++i) {
      square += s.value[i] * s.value[i];
      dot += s.value[i] * cotangent.value[i];
    }
    squares += square;
    dots += dot;
  }
  squares = groupSum<kBlockThreads>(squares);
  dots = groupSum<kBlockThreads>(dots);
  const float norm = static_cast<float>(sqrt(squares)), along = static_cast<float>(dots);
  const float inverse = 1.0f / (norm + p.epsilon);
  const float scale = p.norms[blockIdx.x] * inverse;
  const float projection = norm > 0 ? along * inverse / norm : 0.0f;
  if (threadIdx.x == 0 && p.normsCotangent != nullptr) {
    p.normsCotangent[blockIdx.x] += along * inverse;
  }
  for (int64_t j = start + int64_t{threadIdx.x} * width; j < end; j += kBlockThreads * width) {
    const Pack<float, width> s = sumOf<width>(p, j);
    const Pack<float, width> cotangent = load<width>(p.liveCotangent + j);
    Pack<float, width> result = {};
    if (p.accumulate) result = load<width>(p.sumCotangent + j);
    for (int i = 0; i < width; ++i) {
      result.value[i] += scale * (cotangent.value[i] - s.value[i] * projection);
    }
    store(p.sumCotangent + j, result);
  }
}

template <int width>
__global__ void __launch_bounds__(kBlockThreads)
    rowNormsKernel(int64_t columns, const float* w, float* norms) {
  const float* row = w + blockIdx.x * columns;
  const double squares = rowDot<width>(columns, row, row);
  if (threadIdx.x == 0) norms[blockIdx.x] = static_cast<float>(sqrt(squares));
}

struct RowNormsBackward {
  ConstMatrices w;
  const float *norms, *normsCotangent;
  Matrices wCotangent;

  struct Columns {
    float scale;
    const float* w;
    float* cotangent;
    template <int width>
    __device__ void at(int64_t j) const {
      const Pack<float, width> values = load<width>(w + j);
      Pack<float, width> result = load<width>(cotangent + j);
      for (int i = 0; i < width; ++i) result.value[i] += scale * values.value[i];
      store(cotangent + j, result);
    }
  };

  template <int lanes, int width>
  __device__ void row(int64_t, int64_t r, int64_t columns, int lane) const {
    const float scale = norms[r] > 0 ? normsCotangent[r] / norms[r] : 0.0f;
    forColumns<lanes, width>(
        columns, lane, Columns{scale, w.data + r * w.leading, wCotangent.data + r * w.leading});
  }
};

/// Whether rows of `columns` floats, packed, can be walked by packs from these starts on.
template <typename... Pointers>
bool rowsArePackable(int64_t columns, Pointers... pointers) {
  return columns % kElementsTogether == 0 && (isPackable(pointers) && ...);
}

}  // namespace

void CudaDevice::frobeniusNormalise(const FrobeniusNormalise& p) {
  matrixDots(stream_, memory_, p.batch, p.rows, p.columns, p.d, p.d, Finish::kNorm, p.norms);
  mapMatrices(stream_, "frobeniusNormalise", p.batch, p.rows, p.columns, p.transpose,
              Normalised{p.d, p.norms, p.epsilon}, p.x);
}

void CudaDevice::frobeniusNormaliseBackward(const FrobeniusNormaliseBackward& p) {
  const int64_t xRows = p.transpose ? p.columns : p.rows;
  const int64_t xColumns = p.transpose ? p.rows : p.columns;
  const Scratch along(stream_, memory_, static_cast<size_t>(p.batch) * sizeof(float));
  if (along.isNull()) return;
  matrixDots(stream_, memory_, p.batch, xRows, xColumns, p.x, p.xCotangent, Finish::kSum,
             along.floats());
  mapMatrices(stream_, "frobeniusNormaliseBackward", p.batch, xRows, xColumns, p.transpose,
              NormalisedCotangent{p.x, p.xCotangent, p.norms, along.floats(), p.epsilon},
              p.dCotangent);
}

void CudaDevice::transposeMatrices(const TransposeMatrices& p) {
  mapMatrices(stream_, "transposeMatrices", p.batch, p.rows, p.columns, true, Same{p.x}, p.y);
}

void CudaDevice::stepAndRenormalise(const StepAndRenormalise& p) {
  stream_.activate();
  const bool packable =
      rowsArePackable(p.columns, p.main, p.step) && (p.live == nullptr || isPackable(p.live));
  launch(stream_, "stepAndRenormalise", {p.rows},
         packable ? stepAndRenormaliseKernel<kElementsTogether> : stepAndRenormaliseKernel<1>, p);
}

void CudaDevice::renormaliseBackward(const RenormaliseBackward& p) {
  stream_.activate();
  const bool packable = rowsArePackable(p.columns, p.main, p.liveCotangent, p.sumCotangent) &&
                        (p.step == nullptr || isPackable(p.step));
  launch(stream_, "renormaliseBackward", {p.rows},
         packable ? renormaliseBackwardKernel<kElementsTogether> : renormaliseBackwardKernel<1>, p);
}

void CudaDevice::rowNorms(int64_t rows, int64_t columns, const float* w, float* norms) {
  stream_.activate();
  launch(stream_, "rowNorms", {rows},
         rowsArePackable(columns, w) ? rowNormsKernel<kElementsTogether> : rowNormsKernel<1>,
         columns, w, norms);
}

void CudaDevice::rowNormsBackward(int64_t rows, int64_t columns, const float* w, const float* norms,
                                  const float* normsCotangent, float* wCotangent) {
  stream_.activate();
  const RowNormsBackward body = {packed(w, rows, columns), norms, normsCotangent,
                                 packed(wCotangent, rows, columns)};
  forRows(stream_, "rowNormsBackward", 1, rows, columns, rowsArePackable(columns, w, wCotangent),
          body);
}

void CudaDevice::dotRows(int64_t batch, int64_t count, const float* x, const float* y, float* out) {
  // As matrices of short rows where that comes out even, so that one row is shared by many blocks.
  constexpr int64_t kColumns = 1024;
  const int64_t columns = count % kColumns == 0 ? kColumns : count;
  if (columns <= 0) return;
  const ConstMatrices xs{x, columns, count}, ys{y, columns, count};
  matrixDots(stream_, memory_, batch, count / columns, columns, xs, ys, Finish::kAddSum, out);
}

}  // namespace fastweight::cuda
