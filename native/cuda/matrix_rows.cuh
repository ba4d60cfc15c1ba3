// Kernels that walk the rows of batched matrices: a warp or more to a row, four entries at a time
// where all views allow access by 16 bytes.
#pragma once

#include <cstdint>

#include "cuda/elements.cuh"
#include "cuda/launch.h"
#include "fastweight/matrix.h"

namespace fastweight::cuda {

/// Where entry (b, i, 0) of a view lies, from its start.
template <typename Views>
__device__ __forceinline__ int64_t rowOffset(const Views& views, int64_t b, int64_t i) {
  return b * views.stride + i * views.leading;
}

/// Whether packs of kElementsTogether entries may be read and written at columns that are multiples
/// of kElementsTogether. True for a view that is absent.
template <typename Views>
bool isPackableView(const Views& views, int64_t batch) {
  if (views.data == nullptr) return true;
  return isPackable(views.data) && views.leading % kElementsTogether == 0 &&
         (batch == 1 || views.stride % kElementsTogether == 0);
}

/// kLanes threads to a row.
template <int kLanes, int width, typename Body>
__global__ void __launch_bounds__(kBlockThreads)
    forRowsKernel(int64_t batch, int64_t rows, int64_t columns, Body body) {
  constexpr int kRows = kBlockThreads / kLanes;
  const int64_t row = int64_t{blockIdx.x} * kRows + threadIdx.x / kLanes;
  if (row >= batch * rows) return;
  body.template row<kLanes, width>(row / rows, row % rows, columns,
                                   static_cast<int>(threadIdx.x % kLanes));
}

/// body.row<lanes, width>(b, i, columns, lane) for every row i of every matrix b, on `lanes`
/// threads, a whole warp or more, of which `lane` is one. All lanes of a row call it.
template <typename Body>
void forRows(Stream& stream, const char* what, int64_t batch, int64_t rows, int64_t columns,
             bool packable, const Body& body) {
  const int64_t all = batch * rows;
  constexpr int kShortLanes = 32;
  const bool isShort = columns <= kShortLanes * kElementsTogether * 2;
  const int lanes = isShort ? kShortLanes : kBlockThreads;
  const LaunchShape shape = {divideUp(all, kBlockThreads / lanes)};
  if (isShort && packable) {
    launch(stream, what, shape, forRowsKernel<kShortLanes, kElementsTogether, Body>, batch, rows,
           columns, body);
  } else if (isShort) {
    launch(stream, what, shape, forRowsKernel<kShortLanes, 1, Body>, batch, rows, columns, body);
  } else if (packable) {
    launch(stream, what, shape, forRowsKernel<kBlockThreads, kElementsTogether, Body>, batch, rows,
           columns, body);
  } else {
    launch(stream, what, shape, forRowsKernel<kBlockThreads, 1, Body>, batch, rows, columns, body);
  }
}

/// body.at<width>(j) for the lane's columns: packs, then what is left one by one.
template <int kLanes, int width, typename Body>
__device__ __forceinline__ void forColumns(int64_t columns, int lane, const Body& body) {
  int64_t j = int64_t{lane} * width;
  for (; j + width <= columns; j += kLanes * width) body.template at<width>(j);
  if constexpr (width > 1) {
    for (; j < columns; ++j) body.template at<1>(j);
  }
}

}  // namespace fastweight::cuda
