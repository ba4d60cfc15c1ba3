#include "fastweight/convolution.h"

#include <algorithm>
#include <string>

#include "core/workspace.h"
#include "fastweight/device.h"

namespace fastweight {
namespace {

/// Floats of patches that are in memory at a time, a little more than a second cache level.
constexpr int64_t kTileFloats = int64_t{1} << 20;
constexpr int64_t kLeastPositions = 256;

/// Positions whose patches go through a product at a time.
int64_t tilePositions(const Convolution& s) {
  return std::min(s.positions(), std::max(kLeastPositions, kTileFloats / s.patchFloats()));
}

Status noRoom(int64_t floats) {
  return Status(Code::kOutOfMemory, "Expected room for a convolution's patches of " +
                                        std::to_string(floats * int64_t{sizeof(float)}) +
                                        " bytes but got none");
}

/// body(first, count, patches) for tiles of the output positions.
template <typename Body>
Status forPatches(Device& device, const Convolution& s, const float* x, Body body) {
  if (s.isPointwise()) {
    body(int64_t{0}, s.positions(), x);
    return device.synchronize();
  }
  const int64_t tile = tilePositions(s), floats = tile * s.patchFloats();
  Workspace workspace(device, floats);
  if (workspace.isNull()) return noRoom(floats);
  float* patches = workspace.take(floats);
  for (int64_t first = 0; first < s.positions(); first += tile) {
    const int64_t count = std::min(tile, s.positions() - first);
    device.gatherPatches(s, first, count, x, patches);
    body(first, count, static_cast<const float*>(patches));
  }
  return device.synchronize();
}

/// The cotangents of the patches at [first, first + count).
void patchesBackward(Device& device, const Convolution& s, int64_t first, int64_t count,
                     const float* yCotangent, const float* filter, float* patches) {
  Gemm gemm;
  gemm.m = count;
  gemm.n = s.patchFloats();
  gemm.k = s.outChannels;
  gemm.transposeB = true;
  gemm.a = packed(yCotangent + first * s.outChannels, count, s.outChannels);
  gemm.b = packed(filter, s.patchFloats(), s.outChannels);
  gemm.c = packed(patches, count, s.patchFloats());
  device.gemm(gemm);
}

}  // namespace

Status convolve(Device& device, const Convolution& s, const float* x, const float* filter,
                const Epilogue& epilogue, float* y) {
  return forPatches(device, s, x, [&](int64_t first, int64_t count, const float* patches) {
    Gemm gemm;
    gemm.m = count;
    gemm.n = s.outChannels;
    gemm.k = s.patchFloats();
    gemm.a = packed(patches, count, s.patchFloats());
    gemm.b = packed(filter, s.patchFloats(), s.outChannels);
    gemm.c = packed(y + first * s.outChannels, count, s.outChannels);
    gemm.epilogue = epilogue;
    device.gemm(gemm);
  });
}

Status convolveFilterBackward(Device& device, const Convolution& s, const float* x,
                              const float* yCotangent, float* filterCotangent) {
  return forPatches(device, s, x, [&](int64_t first, int64_t count, const float* patches) {
    Gemm gemm;
    gemm.m = s.patchFloats();
    gemm.n = s.outChannels;
    gemm.k = count;
    gemm.transposeA = true;
    gemm.beta = first == 0 ? 0.0f : 1.0f;
    gemm.a = packed(patches, count, s.patchFloats());
    gemm.b = packed(yCotangent + first * s.outChannels, count, s.outChannels);
    gemm.c = packed(filterCotangent, s.patchFloats(), s.outChannels);
    device.gemm(gemm);
  });
}

Status convolveInputBackward(Device& device, const Convolution& s, const float* yCotangent,
                             const float* filter, float* xCotangent) {
  if (s.isPointwise()) {
    patchesBackward(device, s, 0, s.positions(), yCotangent, filter, xCotangent);
    return device.synchronize();
  }
  const int64_t perImage = s.positionsPerImage();
  const int64_t images =
      std::min(s.batch, std::max<int64_t>(1, kTileFloats / (perImage * s.patchFloats())));
  const int64_t floats = images * perImage * s.patchFloats();
  Workspace workspace(device, floats);
  if (workspace.isNull()) return noRoom(floats);
  float* patches = workspace.take(floats);
  for (int64_t first = 0; first < s.batch; first += images) {
    const int64_t some = std::min(images, s.batch - first);
    patchesBackward(device, s, first * perImage, some * perImage, yCotangent, filter, patches);
    device.sumPatches(s, first, some, patches, xCotangent);
  }
  return device.synchronize();
}

}  // namespace fastweight
