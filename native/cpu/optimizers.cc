// The passes of optimizers over all variables of a step: one parallel loop over their blocks.
#include <cmath>

#include "cpu/cpu_device.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"
#include "cpu/vector_kernels.h"

namespace fastweight::cpu {
namespace {

constexpr int64_t kBlock = 16384;

int64_t blocksOf(int64_t count) { return (count + kBlock - 1) / kBlock; }

/// body(tensor, start, count, block) for each block of each tensor; `block` counts through all.
template <typename Tensor, typename Body>
void forBlocks(int64_t tensors, const Tensor* tensor, Body body) {
  int64_t blocks = 0;
  for (int64_t t = 0; t < tensors; ++t) blocks += blocksOf(tensor[t].count);
  parallelFor(blocks, 1, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // block of the tensor's start
    for (int64_t t = 0; t < tensors && first < end; ++t) {
      const int64_t count = tensor[t].count, last = first + blocksOf(count);
      for (int64_t block = begin > first ? begin : first; block < last && block < end; ++block) {
        const int64_t start = (block - first) * kBlock;
        body(tensor[t], start, count - start < kBlock ? count - start : kBlock, block);
      }
      first = last;
    }
  });
}

}  // namespace

void CpuDevice::adamW(const AdamWStep& step, int64_t tensors, const AdamWTensor* tensor) {
  const auto kernel = vectorKernels().adamW;
  forBlocks(tensors, tensor, [&](const AdamWTensor& t, int64_t start, int64_t count, int64_t) {
    kernel(step,
           {count, t.variable + start, t.gradient + start, t.first + start, t.second + start});
  });
}

void CpuDevice::muonMomentum(const MuonMomentum& m) {
  const auto kernel = vectorKernels().muonMomentum;
  parallelFor(m.count, kBlock, [&](int64_t begin, int64_t end) {
    MuonMomentum part = m;
    part.count = end - begin;
    part.gradient += begin;
    part.average += begin;
    part.direction += begin;
    kernel(part);
  });
}

Status CpuDevice::globalNorm(int64_t tensors, const FloatsView* tensor, float* norm) {
  int64_t blocks = 0;
  for (int64_t t = 0; t < tensors; ++t) blocks += blocksOf(tensor[t].count);
  const Scratch sums = scratchFloats(blocks);
  if (sums == nullptr) {
    return Status(Code::kOutOfMemory, "Expected room for the sums of globalNorm but got none");
  }
  const auto kernel = vectorKernels().sumOfSquares;
  forBlocks(tensors, tensor, [&](const FloatsView& t, int64_t start, int64_t count, int64_t block) {
    sums[static_cast<size_t>(block)] = kernel(count, t.data + start);
  });
  double sum = 0;
  for (int64_t block = 0; block < blocks; ++block) sum += sums[static_cast<size_t>(block)];
  *norm = static_cast<float>(std::sqrt(sum));
  return Status::ok();
}

}  // namespace fastweight::cpu
