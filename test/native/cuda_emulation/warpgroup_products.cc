#include "cuda_emulation/warpgroup_products.h"

#include <cstdlib>
#include <deque>
#include <vector>

#include "cuda_bf16.h"
#include "cuda_fp16.h"

namespace cuda_emulation {
namespace {

constexpr int kDepth = 16, kColumns = 128;

/// One of each thread of a block; the last group is still open.
struct Groups {
  std::deque<std::vector<WarpgroupProduct>> groups{1};
};

Groups& ofThread() {
  thread_local std::vector<Groups> all(1024);
  return all[threadNumber()];
}

/// Entry (line of the operand's own rows or columns, depth) that a descriptor leads to.
float entry(uint64_t descriptor, bool depthwise, bool isFloat16, int at, int depth) {
  const auto field = [&](int shift) {
    return static_cast<int64_t>(descriptor >> shift & 0x3fff) * 16;
  };
  const int64_t start = field(0), leading = field(16), stride = field(32);
  if (descriptor >> 62 != 1) fail("a descriptor whose tile is not swizzled by 128 bytes");
  const int64_t plain =
      depthwise ? start + at / 64 * leading + at % 64 * 2 + depth / 8 * stride + depth % 8 * 128
                : start + at / 8 * stride + at % 8 * 128 + depth * 2;
  const int64_t address = plain ^ (plain >> 3 & 0x70);
  uint16_t bits;
  std::memcpy(&bits, static_cast<const unsigned char*>(dynamicSharedMemory()) + address,
              sizeof bits);
  if (!isFloat16) return __bfloat162float({bits});
  __half half;
  std::memcpy(&half, &bits, sizeof half);
  return __half2float(half);
}

/// What is added to every sum: a GPU whose products are wrong, where a test wants one.
double errorOfProducts() {
  static const bool isWrong = std::getenv("CUDA_EMULATION_WRONG_PRODUCTS") != nullptr;
  return isWrong ? 0.25 : 0;
}

void carryOut(const WarpgroupProduct& p) {
  const int g = static_cast<int>(lane()) / 4, t = static_cast<int>(lane()) % 4;
  const int warp = static_cast<int>(threadNumber() / kWarpThreads % 4);
  float rows[2][kDepth];
  for (int i = 0; i < 2; ++i) {
    for (int k = 0; k < kDepth; ++k) {
      rows[i][k] = entry(p.a, p.aDepthwise, p.isFloat16, 16 * warp + 8 * i + g, k);
    }
  }
  for (int j = 0; j < kColumns / 8; ++j) {
    for (int e = 0; e < 2; ++e) {
      double sums[2] = {};
      for (int k = 0; k < kDepth; ++k) {
        const double value = entry(p.b, p.bDepthwise, p.isFloat16, 8 * j + 2 * t + e, k);
        for (int i = 0; i < 2; ++i) sums[i] += static_cast<double>(rows[i][k]) * value;
      }
      for (int i = 0; i < 2; ++i) {
        float& sum = p.sums[4 * j + 2 * i + e];
        sum = static_cast<float>((p.adds ? static_cast<double>(sum) : 0.0) + sums[i] +
                                 errorOfProducts());
      }
    }
  }
}

}  // namespace

void startProduct(const WarpgroupProduct& product) { ofThread().groups.back().push_back(product); }

void endProducts() { ofThread().groups.emplace_back(); }

void waitForProducts(size_t later) {
  auto& groups = ofThread().groups;
  while (groups.size() > later + 1) {
    for (const WarpgroupProduct& product : groups.front()) carryOut(product);
    groups.pop_front();
  }
}

}  // namespace cuda_emulation
