// Patches of images, gathered for a convolution and summed back.
#include "cuda/cuda_device.h"
#include "cuda/elements.cuh"
#include "cuda/strided_index.cuh"

namespace fastweight::cuda {
namespace {

/// patches [count, filterHeight, filterWidth, inChannels], an element or a pack of channels each.
struct GatherPatchesBody {
  Convolution shape;
  int64_t first;
  Divisor patch, filterRow, channels, image, outRow;
  const float* x;
  float* patches;

  GatherPatchesBody(const Convolution& s, int64_t from, int64_t count, const float* in, float* out)
      : shape(s),
        first(from),
        patch(s.patchFloats(), count * s.patchFloats()),
        filterRow(s.filterWidth * s.inChannels, s.patchFloats()),
        channels(s.inChannels, s.patchFloats()),
        image(s.positionsPerImage(), from + count),
        outRow(s.outWidth, s.positionsPerImage()),
        x(in),
        patches(out) {}

  template <int width>
  __device__ void at(int64_t i) const {
    const int64_t place = patch.quotient(i), inPatch = i - place * patch.divisor();
    const int64_t position = first + place;
    const int64_t filterY = filterRow.quotient(inPatch);
    const int64_t inFilterRow = inPatch - filterY * filterRow.divisor();
    const int64_t filterX = channels.quotient(inFilterRow);
    const int64_t channel = inFilterRow - filterX * channels.divisor();
    const int64_t batch = image.quotient(position);
    const int64_t inImage = position - batch * image.divisor();
    const int64_t row = outRow.quotient(inImage), column = inImage - row * outRow.divisor();
    const int64_t inY = row * shape.strideHeight - shape.padTop + filterY * shape.dilationHeight;
    const int64_t inX = column * shape.strideWidth - shape.padLeft + filterX * shape.dilationWidth;
    Pack<float, width> values = {};
    if (inY >= 0 && inY < shape.inHeight && inX >= 0 && inX < shape.inWidth) {
      const int64_t pixel = (batch * shape.inHeight + inY) * shape.inWidth + inX;
      values = load<width>(x + pixel * shape.inChannels + channel);
    }
    store(patches + i, values);
  }
};

/// x [images, inHeight, inWidth, inChannels] as sums over the filter's entries, in their order.
struct SumPatchesBody {
  Convolution shape;
  Divisor channels, inRow, image, strideY, strideX;
  const float* patches;
  float* x;

  SumPatchesBody(const Convolution& s, int64_t images, const float* in, float* out)
      : shape(s),
        channels(s.inChannels, images * s.inHeight * s.inWidth * s.inChannels),
        inRow(s.inWidth, images * s.inHeight * s.inWidth),
        image(s.inHeight, images * s.inHeight),
        strideY(s.strideHeight, s.inHeight + s.padTop),
        strideX(s.strideWidth, s.inWidth + s.padLeft),
        patches(in),
        x(out) {}

  /// The output place at which a filter entry meets input place `padded`, or -1.
  static __device__ __forceinline__ int64_t outPlace(int64_t padded, const Divisor& stride,
                                                     int64_t size) {
    if (padded < 0) return -1;
    const int64_t place = stride.quotient(padded);
    return place * stride.divisor() == padded && place < size ? place : -1;
  }

  template <int width>
  __device__ void at(int64_t i) const {
    const int64_t pixel = channels.quotient(i), channel = i - pixel * channels.divisor();
    const int64_t line = inRow.quotient(pixel), inX = pixel - line * inRow.divisor();
    const int64_t batch = image.quotient(line), inY = line - batch * image.divisor();
    Pack<float, width> sums = {};
    for (int64_t filterY = 0; filterY < shape.filterHeight; ++filterY) {
      const int64_t paddedY = inY + shape.padTop - filterY * shape.dilationHeight;
      const int64_t row = outPlace(paddedY, strideY, shape.outHeight);
      if (row < 0) continue;
      for (int64_t filterX = shape.filterWidth - 1; filterX >= 0; --filterX) {
        const int64_t paddedX = inX + shape.padLeft - filterX * shape.dilationWidth;
        const int64_t column = outPlace(paddedX, strideX, shape.outWidth);
        if (column < 0) continue;
        const int64_t position = (batch * shape.outHeight + row) * shape.outWidth + column;
        const int64_t entry =
            (position * shape.filterHeight + filterY) * shape.filterWidth + filterX;
        const Pack<float, width> values = load<width>(patches + entry * shape.inChannels + channel);
        for (int k = 0; k < width; ++k) sums.value[k] += values.value[k];
      }
    }
    store(x + i, sums);
  }
};

}  // namespace

void CudaDevice::gatherPatches(const Convolution& shape, int64_t first, int64_t count,
                               const float* x, float* patches) {
  const bool packable =
      isPackable(x) && isPackable(patches) && shape.inChannels % kElementsTogether == 0;
  forElements(stream_, "gather patches", count * shape.patchFloats(), packable,
              GatherPatchesBody(shape, first, count, x, patches));
}

void CudaDevice::sumPatches(const Convolution& shape, int64_t first, int64_t images,
                            const float* patches, float* x) {
  const int64_t imageFloats = shape.inHeight * shape.inWidth * shape.inChannels;
  float* to = x + first * imageFloats;
  const bool packable =
      isPackable(to) && isPackable(patches) && shape.inChannels % kElementsTogether == 0;
  forElements(stream_, "sum patches", images * imageFloats, packable,
              SumPatchesBody(shape, images, patches, to));
}

}  // namespace fastweight::cuda
