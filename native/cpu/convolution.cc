// Patches of images, gathered for a convolution and summed back.
#include <cstring>

#include "cpu/cpu_device.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kGrainFloats = 16384;

int64_t grain(int64_t floats) { return floats >= kGrainFloats ? 1 : kGrainFloats / floats; }

size_t bytes(int64_t floats) { return static_cast<size_t>(floats) * sizeof(float); }

/// Filter columns [begin, end) that fall inside the input's width at an output column.
struct Inside {
  int64_t begin, end;
};

Inside columnsInside(const Convolution& s, int64_t start) {
  int64_t begin = 0, end = s.filterWidth;
  while (begin < end && start + begin * s.dilationWidth < 0) ++begin;
  while (end > begin && start + (end - 1) * s.dilationWidth >= s.inWidth) --end;
  return {begin, end};
}

void gatherPatch(const Convolution& s, int64_t position, const float* x, float* patch) {
  const int64_t image = position / s.positionsPerImage();
  const int64_t row = position % s.positionsPerImage() / s.outWidth;
  const int64_t column = position % s.outWidth;
  const int64_t left = column * s.strideWidth - s.padLeft;
  const Inside inside = columnsInside(s, left);
  const int64_t filterRow = s.filterWidth * s.inChannels;
  for (int64_t i = 0; i < s.filterHeight; ++i, patch += filterRow) {
    const int64_t y = row * s.strideHeight - s.padTop + i * s.dilationHeight;
    if (y < 0 || y >= s.inHeight) {
      std::memset(patch, 0, bytes(filterRow));
      continue;
    }
    const float* line = x + (image * s.inHeight + y) * s.inWidth * s.inChannels;
    std::memset(patch, 0, bytes(inside.begin * s.inChannels));
    // Neighbouring pixels are copied together.
    const int64_t run = s.dilationWidth == 1 ? inside.end - inside.begin : 1;
    for (int64_t j = inside.begin; j < inside.end; j += run) {
      std::memcpy(patch + j * s.inChannels, line + (left + j * s.dilationWidth) * s.inChannels,
                  bytes(run * s.inChannels));
    }
    std::memset(patch + inside.end * s.inChannels, 0,
                bytes((s.filterWidth - inside.end) * s.inChannels));
  }
}

/// Adds to a line of the input what the patches of one output row hold of it in filter row `i`.
void addLine(const Convolution& s, const float* rowPatches, int64_t i, float* line) {
  for (int64_t column = 0; column < s.outWidth; ++column) {
    const int64_t left = column * s.strideWidth - s.padLeft;
    const Inside inside = columnsInside(s, left);
    const float* patch = rowPatches + column * s.patchFloats() + i * s.filterWidth * s.inChannels;
    for (int64_t j = inside.begin; j < inside.end; ++j) {
      const float* from = patch + j * s.inChannels;
      float* to = line + (left + j * s.dilationWidth) * s.inChannels;
      for (int64_t c = 0; c < s.inChannels; ++c) to[c] += from[c];
    }
  }
}

}  // namespace

void CpuDevice::gatherPatches(const Convolution& s, int64_t first, int64_t count, const float* x,
                              float* patches) {
  parallelFor(count, grain(s.patchFloats()), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      gatherPatch(s, first + p, x, patches + p * s.patchFloats());
    }
  });
}

void CpuDevice::sumPatches(const Convolution& s, int64_t first, int64_t images,
                           const float* patches, float* x) {
  const int64_t lineFloats = s.inWidth * s.inChannels;
  const int64_t rowFloats = s.outWidth * s.patchFloats();
  parallelFor(images * s.inHeight, grain(lineFloats * s.filterHeight),
              [&](int64_t begin, int64_t end) {
                for (int64_t at = begin; at < end; ++at) {
                  const int64_t image = at / s.inHeight, y = at % s.inHeight;
                  float* line = x + (first * s.inHeight + at) * lineFloats;
                  std::memset(line, 0, bytes(lineFloats));
                  for (int64_t i = 0; i < s.filterHeight; ++i) {
                    const int64_t offset = y + s.padTop - i * s.dilationHeight;
                    if (offset < 0 || offset % s.strideHeight != 0) continue;
                    const int64_t row = offset / s.strideHeight;
                    if (row >= s.outHeight) continue;
                    addLine(s, patches + (image * s.outHeight + row) * rowFloats, i, line);
                  }
                }
              });
}

}  // namespace fastweight::cpu
