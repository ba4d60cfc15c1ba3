// Transpose, slice, concatenation, tiling and padding: copies between two strided walks.
#include <cstring>

#include "cpu/cpu_device.h"
#include "cpu/strided_walk.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrain = 32768;
/// Side of the squares that a transpose goes through: both sides' cache lines are used whole.
constexpr int64_t kSquare = 16;

template <typename T>
void copyRun(int64_t count, int64_t fromStep, int64_t toStep, const T* from, T* to) {
  if (fromStep == 1 && toStep == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
  } else if (fromStep == 0 && toStep == 1) {
    const T value = *from;
    for (int64_t i = 0; i < count; ++i) to[i] = value;
  } else {
    for (int64_t i = 0; i < count; ++i) to[i * toStep] = from[i * fromStep];
  }
}

/// Copies run by run along the last axis.
template <typename T>
void copyRuns(const StridedPair& layout, const T* from, T* to) {
  const int last = layout.rank - 1;
  const int64_t inner = layout.sizes[last];
  const int64_t fromStep = layout.firstStrides[last], toStep = layout.secondStrides[last];
  if (layout.rank == 1) {
    parallelFor(inner, kGrain, [=](int64_t begin, int64_t end) {
      copyRun(end - begin, fromStep, toStep, from + begin * fromStep, to + begin * toStep);
    });
    return;
  }
  const int64_t grain = inner < kGrain ? kGrain / (inner > 0 ? inner : 1) : 1;
  parallelFor(countOf(layout, last), grain, [&](int64_t begin, int64_t end) {
    StridedWalk walk(layout, last, begin);
    for (int64_t row = begin; row < end; ++row, walk.next()) {
      copyRun(inner, fromStep, toStep, from + walk.first, to + walk.second);
    }
  });
}

template <typename T>
void transposeSquares(int64_t rows, int64_t columns, int64_t fromStride, int64_t toStride,
                      const T* from, T* to) {
  for (int64_t row = 0; row < rows; row += kSquare) {
    const int64_t rowEnd = row + kSquare < rows ? row + kSquare : rows;
    for (int64_t column = 0; column < columns; column += kSquare) {
      const int64_t columnEnd = column + kSquare < columns ? column + kSquare : columns;
      for (int64_t i = row; i < rowEnd; ++i) {
        for (int64_t j = column; j < columnEnd; ++j) {
          to[i * toStride + j] = from[j * fromStride + i];
        }
      }
    }
  }
}

/// Copies a walk whose source is packed along `axis` and whose target is packed along the last:
/// matrices [axis, last] that are transposed, one for every place in the other axes.
template <typename T>
void copyTransposed(const StridedPair& layout, int axis, const T* from, T* to) {
  StridedPair others;
  const int last = layout.rank - 1;
  for (int i = 0; i < last; ++i) {
    if (i == axis) continue;
    others.sizes[others.rank] = layout.sizes[i];
    others.firstStrides[others.rank] = layout.firstStrides[i];
    others.secondStrides[others.rank] = layout.secondStrides[i];
    ++others.rank;
  }
  const int64_t rows = layout.sizes[axis], columns = layout.sizes[last];
  const int64_t bands = (rows + kSquare - 1) / kSquare;
  const int64_t matrices = countOf(others, others.rank);
  const int64_t bandSize = kSquare * columns;
  const int64_t grain = bandSize < kGrain ? kGrain / bandSize : 1;
  parallelFor(matrices * bands, grain, [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const StridedWalk walk(others, others.rank, item / bands);
      const int64_t row = item % bands * kSquare;
      const int64_t height = row + kSquare < rows ? kSquare : rows - row;
      transposeSquares(height, columns, layout.firstStrides[last], layout.secondStrides[axis],
                       from + walk.first + row,
                       to + walk.second + row * layout.secondStrides[axis]);
    }
  });
}

template <typename T>
void copyElements(const StridedPair& given, const void* fromData, void* toData) {
  const StridedPair layout = merged(given);
  const T* from = static_cast<const T*>(fromData);
  T* to = static_cast<T*>(toData);
  const int last = layout.rank - 1;
  if (layout.secondStrides[last] == 1 && layout.firstStrides[last] > 1) {
    for (int axis = 0; axis < last; ++axis) {
      if (layout.firstStrides[axis] == 1) return copyTransposed(layout, axis, from, to);
    }
  }
  copyRuns(layout, from, to);
}

}  // namespace

void CpuDevice::copyStrided(int elementBytes, const StridedPair& layout, const void* from,
                            void* to) {
  if (countOf(layout, layout.rank) == 0) return;
  if (elementBytes == 1) {
    copyElements<uint8_t>(layout, from, to);
  } else {
    copyElements<uint32_t>(layout, from, to);
  }
}

}  // namespace fastweight::cpu
