// Patches of images and their sums.
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

Convolution shapeOf(int64_t channels, int64_t stride, int64_t dilation, int64_t pad) {
  Convolution s;
  s.batch = 3;
  s.inHeight = 9;
  s.inWidth = 7;
  s.inChannels = channels;
  s.filterHeight = 3;
  s.filterWidth = 2;
  s.strideHeight = stride;
  s.strideWidth = 1;
  s.dilationHeight = 1;
  s.dilationWidth = dilation;
  s.padTop = pad;
  s.padLeft = pad;
  s.outHeight = (s.inHeight + 2 * pad - 3) / stride + 1;
  s.outWidth = s.inWidth + 2 * pad - dilation;
  return s;
}

void addConvolution(DeviceCases* cases, const Convolution& s) {
  cases->push_back({"patches of " + std::to_string(s.inChannels) + " channels, stride " +
                        std::to_string(s.strideHeight) + ", dilation " +
                        std::to_string(s.dilationWidth) + ", padding " + std::to_string(s.padTop),
                    [=](DeviceRun& run) {
                      const int64_t image = s.inHeight * s.inWidth * s.inChannels;
                      const float* x = run.input(Random(1).floats(s.batch * image));
                      // Positions from the first image's middle to the last's.
                      const int64_t first = 5, count = s.positions() - 9;
                      run.device().gatherPatches(s, first, count, x,
                                                 run.floats(count * s.patchFloats()));
                      const float* patches =
                          run.input(Random(2).floats(2 * s.positionsPerImage() * s.patchFloats()));
                      float* sums = run.floats(s.batch * image);
                      run.device().zero(sums, static_cast<size_t>(s.batch * image) * 4);
                      run.device().sumPatches(s, 1, 2, patches, sums);
                    }});
}

}  // namespace

void addConvolutionCases(DeviceCases* cases) {
  for (const int64_t channels : {1, 3, 8}) {
    addConvolution(cases, shapeOf(channels, 1, 1, 0));
    addConvolution(cases, shapeOf(channels, 2, 1, 1));
    addConvolution(cases, shapeOf(channels, 1, 3, 2));
  }
}

}  // namespace fastweight::test
