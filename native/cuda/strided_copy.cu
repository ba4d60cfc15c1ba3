// Transpose, slice, concatenation, tiling and padding: copies between two strided walks.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/strided_index.cuh"
#include "fastweight/strided_pair.h"

namespace fastweight::cuda {
namespace {

/// Copies packs along the last axis where both arrays are packed there, else single elements.
template <typename T>
struct CopyBody {
  StridedIndex index;
  const T* from;
  T* to;

  template <int width>
  __device__ void at(int64_t i) const {
    const PlacePair place = index(i);
    store(to + place.second, load<width>(from + place.first));
  }
};

template <typename T>
void copyElements(Stream& stream, const StridedPair& layout, const T* from, T* to) {
  const int last = layout.rank - 1;
  bool packable = isPackable(from) && isPackable(to) && layout.firstStrides[last] == 1 &&
                  layout.secondStrides[last] == 1 && layout.sizes[last] % kElementsTogether == 0;
  for (int axis = 0; axis < last; ++axis) {
    packable = packable && layout.firstStrides[axis] % kElementsTogether == 0 &&
               layout.secondStrides[axis] % kElementsTogether == 0;
  }
  forElements(stream, "copy", countOf(layout, layout.rank), packable,
              CopyBody<T>{StridedIndex(layout), from, to});
}

/// Side of the squares that a transpose goes through, so that both sides are read and written
/// along their rows.
constexpr int kSquare = 32;
constexpr int kSquareRows = 8;  // that the block's threads copy at a time

/// Matrices [rows, columns] whose source is packed along the rows' axis and whose target along the
/// columns'; `others` walks from matrix to matrix.
struct Transposition {
  StridedIndex others;
  int64_t rows, columns, fromStride, toStride;
  Divisor rowSquares, columnSquares;
};

template <typename T>
__global__ void __launch_bounds__(kSquare* kSquareRows)
    transposeKernel(Transposition t, const T* from, T* to) {
  __shared__ T square[kSquare][kSquare + 1];
  const int64_t rowsOfSquares = t.columnSquares.quotient(blockIdx.x);
  const int64_t matrix = t.rowSquares.quotient(rowsOfSquares);
  const int64_t column0 = (blockIdx.x - rowsOfSquares * t.columnSquares.divisor()) * kSquare;
  const int64_t row0 = (rowsOfSquares - matrix * t.rowSquares.divisor()) * kSquare;
  const PlacePair place = t.others(matrix);
  const int x = static_cast<int>(threadIdx.x) % kSquare;
  const int y = static_cast<int>(threadIdx.x) / kSquare;
  for (int i = y; i < kSquare; i += kSquareRows) {
    if (column0 + i < t.columns && row0 + x < t.rows) {
      square[i][x] = from[place.first + (column0 + i) * t.fromStride + row0 + x];
    }
  }
  __syncthreads();
  for (int i = y; i < kSquare; i += kSquareRows) {
    if (row0 + i < t.rows && column0 + x < t.columns) {
      to[place.second + (row0 + i) * t.toStride + column0 + x] = square[x][i];
    }
  }
}

template <typename T>
void copyTransposed(Stream& stream, const StridedPair& layout, int axis, const T* from, T* to) {
  StridedPair others;
  const int last = layout.rank - 1;
  for (int i = 0; i < last; ++i) {
    if (i == axis) continue;
    others.sizes[others.rank] = layout.sizes[i];
    others.firstStrides[others.rank] = layout.firstStrides[i];
    others.secondStrides[others.rank] = layout.secondStrides[i];
    ++others.rank;
  }
  if (others.rank == 0) others.sizes[others.rank++] = 1;
  const int64_t rows = layout.sizes[axis], columns = layout.sizes[last];
  const int64_t rowSquares = divideUp(rows, kSquare), columnSquares = divideUp(columns, kSquare);
  const int64_t blocks = countOf(others, others.rank) * rowSquares * columnSquares;
  launch(stream, "transpose", {blocks, kSquare * kSquareRows}, transposeKernel<T>,
         Transposition{StridedIndex(others), rows, columns, layout.firstStrides[last],
                       layout.secondStrides[axis], Divisor(rowSquares, blocks),
                       Divisor(columnSquares, blocks)},
         from, to);
}

template <typename T>
void copyLayout(Stream& stream, const StridedPair& given, const void* fromData, void* toData) {
  const StridedPair layout = merged(given);
  const T* from = static_cast<const T*>(fromData);
  T* to = static_cast<T*>(toData);
  const int last = layout.rank - 1;
  if (layout.secondStrides[last] == 1 && layout.firstStrides[last] > 1) {
    for (int axis = 0; axis < last; ++axis) {
      if (layout.firstStrides[axis] == 1) return copyTransposed(stream, layout, axis, from, to);
    }
  }
  copyElements(stream, layout, from, to);
}

}  // namespace

void CudaDevice::copyStrided(int elementBytes, const StridedPair& layout, const void* from,
                             void* to) {
  if (elementBytes == 1) {
    copyLayout<uint8_t>(stream_, layout, from, to);
  } else {
    copyLayout<uint32_t>(stream_, layout, from, to);
  }
}

}  // namespace fastweight::cuda
