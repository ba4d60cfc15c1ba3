// Rows picked by index, and their sums by index.
#include <cub/device/device_radix_sort.cuh>

#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/group_fold.cuh"
#include "cuda/strided_index.cuh"

namespace fastweight::cuda {
namespace {

/// The least place of an index outside [0, size).
__global__ void __launch_bounds__(kBlockThreads)
    findWrongIndexKernel(int64_t count, int64_t size, const int32_t* indices,
                         unsigned long long* place) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i >= count || (indices[i] >= 0 && indices[i] < size)) return;
  atomicMin(place, static_cast<unsigned long long>(i));
}

template <typename T>
struct GatherBody {
  int64_t size;
  Divisor outer, indexCount, inner;
  const T* x;
  const int32_t* indices;
  T* y;

  template <int width>
  __device__ void at(int64_t i) const {
    const int64_t row = inner.quotient(i), column = i - row * inner.divisor();
    const int64_t matrix = indexCount.quotient(row);
    const int64_t place = row - matrix * indexCount.divisor();
    const int64_t index = indices[outer.quotient(matrix) * indexCount.divisor() + place];
    store(y + i, load<width>(x + (matrix * size + index) * inner.divisor() + column));
  }
};

template <typename T>
void gatherElements(Stream& stream, const Gather& g) {
  const int64_t count = g.batch * g.outer * g.indexCount * g.inner;
  const GatherBody<T> body = {g.size,
                              Divisor(g.outer, count),
                              Divisor(g.indexCount, count),
                              Divisor(g.inner, count),
                              static_cast<const T*>(g.x),
                              g.indices,
                              static_cast<T*>(g.y)};
  const bool packable =
      isPackable(body.x) && isPackable(body.y) && g.inner % kElementsTogether == 0;
  forElements(stream, "gather", count, packable, body);
}

/// Sort keys of rows: their ids, or `segments` where an id lies outside.
__global__ void __launch_bounds__(kBlockThreads)
    segmentKeysKernel(int64_t rows, int64_t segments, const int32_t* ids, uint32_t* keys,
                      int32_t* rowNumbers) {
  const int64_t i = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (i >= rows) return;
  const bool inside = ids[i] >= 0 && ids[i] < segments;
  keys[i] = static_cast<uint32_t>(inside ? ids[i] : segments);
  rowNumbers[i] = static_cast<int32_t>(i);
}

/// starts[s] = how many sorted keys are below s, for s <= segments.
__global__ void __launch_bounds__(kBlockThreads)
    segmentStartsKernel(int64_t rows, int64_t segments, const uint32_t* keys, int32_t* starts) {
  const int64_t segment = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  if (segment > segments) return;
  int64_t low = 0, high = rows;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (keys[middle] < segment) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  starts[segment] = static_cast<int32_t>(low);
}

constexpr int kWarps = kBlockThreads / 32;

/// y [segments, inner]: kWarpsTogether warps take 32 packs of columns of a segment and its rows in
/// turn.
template <int kWarpsTogether, int width>
__global__ void __launch_bounds__(kBlockThreads)
    segmentSumKernel(int64_t segments, int64_t inner, const float* x, const int32_t* rowNumbers,
                     const int32_t* starts, float* y) {
  __shared__ double sums[kWarps][32][width];
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t tiles = (inner + 32 * width - 1) / (32 * width);
  const int64_t item = int64_t{blockIdx.x} * (kWarps / kWarpsTogether) + warp / kWarpsTogether;
  const int64_t segment = item / tiles, column = (item % tiles * 32 + lane) * width;
  const bool inside = segment < segments && column < inner;
  double sum[width] = {};
  if (inside) {
    for (int64_t i = starts[segment] + warp % kWarpsTogether; i < starts[segment + 1];
         i += kWarpsTogether) {
      const Pack<float, width> values = load<width>(x + rowNumbers[i] * inner + column);
      for (int k = 0; k < width; ++k) sum[k] += values.value[k];
    }
  }
  if constexpr (kWarpsTogether > 1) {
    for (int k = 0; k < width; ++k) sums[warp][lane][k] = sum[k];
    __syncthreads();
    if (warp % kWarpsTogether != 0) return;
    for (int other = 1; other < kWarpsTogether; ++other) {
      for (int k = 0; k < width; ++k) sum[k] += sums[warp + other][lane][k];
    }
  }
  if (!inside) return;
  Pack<float, width> values;
  for (int k = 0; k < width; ++k) values.value[k] = static_cast<float>(sum[k]);
  store(y + segment * inner + column, values);
}

/// Rows a segment from which all warps of a block share its rows.
constexpr int64_t kManyRows = 32;

template <int width>
void sumSegments(Stream& stream, int64_t rows, int64_t inner, int64_t segments, const float* x,
                 const int32_t* rowNumbers, const int32_t* starts, float* y) {
  const int64_t items = segments * divideUp(inner, 32 * width);
  if (rows >= kManyRows * segments) {
    launch(stream, "segment sum", {items}, segmentSumKernel<kWarps, width>, segments, inner, x,
           rowNumbers, starts, y);
  } else {
    launch(stream, "segment sum", {divideUp(items, kWarps)}, segmentSumKernel<1, width>, segments,
           inner, x, rowNumbers, starts, y);
  }
}

}  // namespace

bool CudaDevice::gather(const Gather& g, int32_t* wrongIndex) {
  const int64_t count = g.batch * g.indexCount;
  const Scratch place(stream_, memory_, sizeof(unsigned long long));
  if (count == 0 || place.isNull()) return true;
  cudaMemsetAsync(place.data(), 0xff, sizeof(unsigned long long), stream_.handle());
  launch(stream_, "gather", {divideUp(count, kBlockThreads)}, findWrongIndexKernel, count, g.size,
         g.indices, static_cast<unsigned long long*>(place.data()));
  unsigned long long wrong = 0;
  copyToHost(&wrong, place.data(), sizeof wrong);
  if (wrong < static_cast<unsigned long long>(count)) {
    copyToHost(wrongIndex, g.indices + wrong, sizeof *wrongIndex);
    return false;
  }
  if (g.elementBytes == 1) {
    gatherElements<uint8_t>(stream_, g);
  } else {
    gatherElements<uint32_t>(stream_, g);
  }
  return true;
}

void CudaDevice::segmentSum(int64_t rows, int64_t inner, int64_t segments, const float* x,
                            const int32_t* ids, float* y) {
  // A stable sort by id keeps each segment's rows in order, so sums have a fixed order.
  int bits = 1;
  while ((segments >> bits) != 0) ++bits;
  size_t sortBytes = 0;
  const uint32_t* noKeys = nullptr;
  const int32_t* noRows = nullptr;
  stream_.record(cub::DeviceRadixSort::SortPairs(
                     nullptr, sortBytes, noKeys, static_cast<uint32_t*>(nullptr), noRows,
                     static_cast<int32_t*>(nullptr), rows, 0, bits, stream_.handle()),
                 "segment sum");
  const size_t words = static_cast<size_t>(4 * rows + segments + 1);
  const Scratch scratch(stream_, memory_, words * 4), sorting(stream_, memory_, sortBytes);
  if (scratch.isNull() || sorting.isNull()) return;
  uint32_t* keys = static_cast<uint32_t*>(scratch.data());
  uint32_t* sortedKeys = keys + rows;
  int32_t* rowNumbers = reinterpret_cast<int32_t*>(sortedKeys + rows);
  int32_t* sortedRows = rowNumbers + rows;
  int32_t* starts = sortedRows + rows;
  launch(stream_, "segment sum", {divideUp(rows, kBlockThreads)}, segmentKeysKernel, rows, segments,
         ids, keys, rowNumbers);
  if (rows > 0) {
    stream_.record(
        cub::DeviceRadixSort::SortPairs(sorting.data(), sortBytes, keys, sortedKeys, rowNumbers,
                                        sortedRows, rows, 0, bits, stream_.handle()),
        "segment sum");
  }
  launch(stream_, "segment sum", {divideUp(segments + 1, kBlockThreads)}, segmentStartsKernel, rows,
         segments, sortedKeys, starts);
  if (isPackable(x) && isPackable(y) && inner % kElementsTogether == 0) {
    sumSegments<kElementsTogether>(stream_, rows, inner, segments, x, sortedRows, starts, y);
  } else {
    sumSegments<1>(stream_, rows, inner, segments, x, sortedRows, starts, y);
  }
}

}  // namespace fastweight::cuda
