// Two-dimensional convolution through matrix products (NHWC).
#pragma once

#include <cstdint>

#include "fastweight/epilogue.h"
#include "fastweight/status.h"

namespace fastweight {

class Device;

/// x [batch, inHeight, inWidth, inChannels], filter [filterHeight, filterWidth, inChannels,
/// outChannels], y [batch, outHeight, outWidth, outChannels]. The filter's entry (i, j) meets, for
/// the output at (row, column), the input at (row strideHeight - padTop + i dilationHeight,
/// column strideWidth - padLeft + j dilationWidth), or zero outside of it. All sizes are at
/// least 1.
struct Convolution {
  int64_t batch = 1, inHeight = 1, inWidth = 1, inChannels = 1;
  int64_t outHeight = 1, outWidth = 1, outChannels = 1;
  int64_t filterHeight = 1, filterWidth = 1;
  int64_t strideHeight = 1, strideWidth = 1, dilationHeight = 1, dilationWidth = 1;
  int64_t padTop = 0, padLeft = 0;

  int64_t patchFloats() const { return filterHeight * filterWidth * inChannels; }
  /// Output positions, each of which sees one patch of the input.
  int64_t positions() const { return batch * outHeight * outWidth; }
  int64_t positionsPerImage() const { return outHeight * outWidth; }
  /// Whether a patch is one pixel, so that the input itself is the matrix of patches.
  bool isPointwise() const {
    return filterHeight == 1 && filterWidth == 1 && strideHeight == 1 && strideWidth == 1 &&
           padTop == 0 && padLeft == 0 && outHeight == inHeight && outWidth == inWidth;
  }
};

class ConvolutionKernels {
 public:
  virtual ~ConvolutionKernels() = default;

  /// patches [count, patchFloats] of the output positions [first, first + count).
  virtual void gatherPatches(const Convolution& shape, int64_t first, int64_t count, const float* x,
                             float* patches) = 0;
  /// The backward of gatherPatches for `images` whole images from image `first` on: writes x at
  /// those images as the sums of all entries of patches [images * positionsPerImage, patchFloats]
  /// that a pixel went to.
  virtual void sumPatches(const Convolution& shape, int64_t first, int64_t images,
                          const float* patches, float* x) = 0;
};

// Each needs a workspace and returns ERR_OUT_OF_MEMORY where there is none, before anything is
// written.

/// y from x and filter; `epilogue` is for outChannels columns.
Status convolve(Device& device, const Convolution& shape, const float* x, const float* filter,
                const Epilogue& epilogue, float* y);
/// The cotangent of x, from those of y and the filter.
Status convolveInputBackward(Device& device, const Convolution& shape, const float* yCotangent,
                             const float* filter, float* xCotangent);
/// The cotangent of the filter, from x and the cotangent of y.
Status convolveFilterBackward(Device& device, const Convolution& shape, const float* x,
                              const float* yCotangent, float* filterCotangent);

}  // namespace fastweight
