// Norms: a matrix by its Frobenius norm, rows to given norms, and their backward passes.
#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// Rows handed to a thread at a time, about 16k floats.
int64_t rowGrain(int64_t columns) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, columns));
}

/// Sum of x * y over n entries: float within lanes of a block, double across blocks.
double dot(int64_t n, const float* x, const float* y) {
  double total = 0;
  for (int64_t start = 0; start < n; start += 256) {
    const int64_t stop = std::min(n, start + 256);
    float lanes[16] = {};
    int64_t i = start;
    for (; i + 16 <= stop; i += 16) {
      for (int lane = 0; lane < 16; ++lane) lanes[lane] += x[i + lane] * y[i + lane];
    }
    for (; i < stop; ++i) lanes[i & 15] += x[i] * y[i];
    float block = 0;
    for (float lane : lanes) block += lane;
    total += block;
  }
  return total;
}

/// sums[b] = sum of x * y over matrix b, on all threads, in an order that does not depend on them.
void matrixDots(int64_t batch, int64_t rows, int64_t columns, ConstMatrices x, ConstMatrices y,
                double* sums) {
  const int64_t band = rowGrain(columns), bands = (rows + band - 1) / band;
  thread_local std::vector<double> parts;
  parts.resize(static_cast<size_t>(batch * bands));
  double* part = parts.data();
  parallelFor(batch * bands, 1, [=](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t b = item / bands, first = item % bands * band;
      part[item] = 0;
      for (int64_t i = first; i < std::min(rows, first + band); ++i) {
        part[item] += dot(columns, x.data + b * x.stride + i * x.leading,
                          y.data + b * y.stride + i * y.leading);
      }
    }
  });
  for (int64_t b = 0; b < batch; ++b) {
    sums[b] = 0;
    for (int64_t i = 0; i < bands; ++i) sums[b] += part[b * bands + i];
  }
}

/// Room for a sum a matrix; the next call of the same thread uses it again.
double* dotScratch(int64_t batch) {
  thread_local std::vector<double> sums;
  sums.resize(static_cast<size_t>(batch));
  return sums.data();
}

constexpr int64_t kTile = 16;

/// y[j, i] = f(x[i, j]) tile by tile, so that both sides stay in cache.
template <typename Function>
void transposeTiles(int64_t rows, int64_t columns, const float* x, int64_t xLeading, float* y,
                    int64_t yLeading, Function f) {
  for (int64_t i0 = 0; i0 < rows; i0 += kTile) {
    for (int64_t j0 = 0; j0 < columns; j0 += kTile) {
      const int64_t i1 = std::min(rows, i0 + kTile), j1 = std::min(columns, j0 + kTile);
      for (int64_t j = j0; j < j1; ++j) {
        for (int64_t i = i0; i < i1; ++i) y[j * yLeading + i] = f(x[i * xLeading + j], i, j);
      }
    }
  }
}

/// body(b, first, rows) for every band of kTile rows of every matrix, on all threads.
template <typename Body>
void forRowTiles(int64_t batch, int64_t rows, int64_t columns, Body body) {
  const int64_t bands = (rows + kTile - 1) / kTile;
  parallelFor(batch * bands, rowGrain(kTile * columns), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t first = item % bands * kTile;
      body(item / bands, first, std::min(kTile, rows - first));
    }
  });
}

}  // namespace

void CpuDevice::frobeniusNormalise(const FrobeniusNormalise& p) {
  double* squares = dotScratch(p.batch);
  matrixDots(p.batch, p.rows, p.columns, p.d, p.d, squares);
  for (int64_t b = 0; b < p.batch; ++b) p.norms[b] = static_cast<float>(std::sqrt(squares[b]));
  forRowTiles(p.batch, p.rows, p.columns, [&](int64_t b, int64_t first, int64_t rows) {
    const float scale = 1.0f / (p.norms[b] + p.epsilon);
    const float* d = p.d.data + b * p.d.stride + first * p.d.leading;
    float* x = p.x.data + b * p.x.stride;
    if (p.transpose) {
      transposeTiles(rows, p.columns, d, p.d.leading, x + first, p.x.leading,
                     [scale](float value, int64_t, int64_t) { return value * scale; });
      return;
    }
    x += first * p.x.leading;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < p.columns; ++j) {
        x[i * p.x.leading + j] = d[i * p.d.leading + j] * scale;
      }
    }
  });
}

void CpuDevice::frobeniusNormaliseBackward(const FrobeniusNormaliseBackward& p) {
  // x = d / (n + e): dd = dx / (n + e) - x <x, dx> / n, from d = x (n + e).
  const int64_t xRows = p.transpose ? p.columns : p.rows;
  const int64_t xColumns = p.transpose ? p.rows : p.columns;
  double* along = dotScratch(p.batch);
  matrixDots(p.batch, xRows, xColumns, p.x, p.xCotangent, along);
  forRowTiles(p.batch, xRows, xColumns, [&](int64_t b, int64_t first, int64_t rows) {
    const float norm = p.norms[b];
    const float scale = 1.0f / (norm + p.epsilon);
    const float projection = norm > 0 ? static_cast<float>(along[b]) / norm : 0.0f;
    const int64_t xLeading = p.x.leading;
    const float* x = p.x.data + b * p.x.stride + first * xLeading;
    const float* dx = p.xCotangent.data + b * p.xCotangent.stride + first * p.xCotangent.leading;
    float* dd = p.dCotangent.data + b * p.dCotangent.stride;
    const auto cotangent = [=](float value, int64_t i, int64_t j) {
      return value * scale - x[i * xLeading + j] * projection;
    };
    if (p.transpose) {
      transposeTiles(rows, xColumns, dx, p.xCotangent.leading, dd + first, p.dCotangent.leading,
                     cotangent);
      return;
    }
    dd += first * p.dCotangent.leading;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < xColumns; ++j) {
        dd[i * p.dCotangent.leading + j] = cotangent(dx[i * p.xCotangent.leading + j], i, j);
      }
    }
  });
}

void CpuDevice::transposeMatrices(const TransposeMatrices& p) {
  forRowTiles(p.batch, p.rows, p.columns, [&](int64_t b, int64_t first, int64_t rows) {
    transposeTiles(rows, p.columns, p.x.data + b * p.x.stride + first * p.x.leading, p.x.leading,
                   p.y.data + b * p.y.stride + first, p.y.leading,
                   [](float value, int64_t, int64_t) { return value; });
  });
}

void CpuDevice::stepAndRenormalise(const StepAndRenormalise& p) {
  parallelFor(p.rows, rowGrain(p.columns), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* main = p.main + r * p.columns;
      const float* step = p.step + r * p.columns;
      for (int64_t j = 0; j < p.columns; ++j) main[j] += step[j];
      if (p.live == nullptr) continue;
      const float norm = static_cast<float>(std::sqrt(dot(p.columns, main, main)));
      const float scale = p.norms[r] / (norm + p.epsilon);
      float* live = p.live + r * p.columns;
      for (int64_t j = 0; j < p.columns; ++j) live[j] = main[j] * scale;
    }
  });
}

void CpuDevice::renormaliseBackward(const RenormaliseBackward& p) {
  parallelFor(p.rows, rowGrain(p.columns), [&](int64_t begin, int64_t end) {
    std::vector<float> sums(p.step != nullptr ? static_cast<size_t>(p.columns) : 0);
    for (int64_t r = begin; r < end; ++r) {
      // live = s / (n + e) * target with n = ||s||:
      // ds = target / (n + e) * (dlive - s <s, dlive> / (n (n + e))).
      const float* s = p.main + r * p.columns;
      if (p.step != nullptr) {
        const float* step = p.step + r * p.columns;
        for (int64_t j = 0; j < p.columns; ++j) sums[j] = s[j] + step[j];
        s = sums.data();
      }
      const float* dlive = p.liveCotangent + r * p.columns;
      float* ds = p.sumCotangent + r * p.columns;
      const float norm = static_cast<float>(std::sqrt(dot(p.columns, s, s)));
      const float along = static_cast<float>(dot(p.columns, s, dlive));
      const float inverse = 1.0f / (norm + p.epsilon);
      const float scale = p.norms[r] * inverse;
      const float projection = norm > 0 ? along * inverse / norm : 0.0f;
      if (p.normsCotangent != nullptr) p.normsCotangent[r] += along * inverse;
      if (p.accumulate) {
        for (int64_t j = 0; j < p.columns; ++j) ds[j] += scale * (dlive[j] - s[j] * projection);
      } else {
        for (int64_t j = 0; j < p.columns; ++j) ds[j] = scale * (dlive[j] - s[j] * projection);
      }
    }
  });
}

void CpuDevice::rowNorms(int64_t rows, int64_t columns, const float* w, float* norms) {
  parallelFor(rows, rowGrain(columns), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* row = w + r * columns;
      norms[r] = static_cast<float>(std::sqrt(dot(columns, row, row)));
    }
  });
}

void CpuDevice::rowNormsBackward(int64_t rows, int64_t columns, const float* w, const float* norms,
                                 const float* normsCotangent, float* wCotangent) {
  parallelFor(rows, rowGrain(columns), [=](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float scale = norms[r] > 0 ? normsCotangent[r] / norms[r] : 0.0f;
      for (int64_t j = 0; j < columns; ++j)
        wCotangent[r * columns + j] += scale * w[r * columns + j];
    }
  });
}

void CpuDevice::dotRows(int64_t batch, int64_t count, const float* x, const float* y, float* out) {
  // As matrices of short rows where that comes out even, so that one row is shared by all threads.
  constexpr int64_t kColumns = 256;
  const int64_t columns = count % kColumns == 0 ? kColumns : count;
  double* sums = dotScratch(batch);
  const ConstMatrices xs{x, columns, count}, ys{y, columns, count};
  matrixDots(batch, count / columns, columns, xs, ys, sums);
  for (int64_t b = 0; b < batch; ++b) out[b] += static_cast<float>(sums[b]);
}

}  // namespace fastweight::cpu
