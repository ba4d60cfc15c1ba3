// Norms, rotary embedding, activations and the loss: how each splits into independent items for the
// threads.
#include <cmath>
#include <cstring>

#include "cpu/cpu_device.h"
#include "cpu/rotary_table.h"
#include "cpu/sequence_functions.h"
#include "cpu/sequence_scratch.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// Elements that are worth a thread's start.
constexpr int64_t kGrain = 16384;
/// Rows whose shares of a parameter's cotangent are summed together.
constexpr int64_t kRowsPerSum = 128;

int64_t rowGrain(int64_t columns) { return columns >= kGrain ? 1 : kGrain / (columns + 1) + 1; }

}  // namespace

void CpuDevice::normaliseRows(const NormaliseRows& n) {
  parallelFor(n.rows, rowGrain(n.columns), [&](int64_t begin, int64_t end) {
    sequenceFunctions().normaliseRows(n, begin, end);
  });
}

Status CpuDevice::normaliseRowsBackward(const NormaliseRowsBackward& n) {
  const SequenceFunctions& f = sequenceFunctions();
  const bool weight = n.weightCotangent != nullptr, bias = n.biasCotangent != nullptr;
  if (!weight && !bias) {
    parallelFor(n.rows, rowGrain(n.columns), [&](int64_t begin, int64_t end) {
      f.normaliseRowsBackward(n, begin, end, nullptr, nullptr);
    });
    return Status::ok();
  }
  // Each block of rows has sums of its own; adding them in order keeps the result independent of
  // the number of threads.
  const int64_t blocks = divideUp(n.rows, kRowsPerSum);
  const int64_t sumsPerBlock = (weight ? n.columns : 0) + (bias ? n.columns : 0);
  const Scratch sums = scratchFloats(blocks * sumsPerBlock);
  if (sums == nullptr) return outOfMemory("the backward of a norm");
  parallelFor(blocks, divideUp(rowGrain(n.columns), kRowsPerSum), [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) {
      float* weightSum = sums.get() + block * sumsPerBlock;
      float* biasSum = weight ? weightSum + n.columns : weightSum;
      std::memset(weightSum, 0, static_cast<size_t>(sumsPerBlock) * sizeof(float));
      const int64_t last = (block + 1) * kRowsPerSum;
      f.normaliseRowsBackward(n, block * kRowsPerSum, last < n.rows ? last : n.rows,
                              weight ? weightSum : nullptr, bias ? biasSum : nullptr);
    }
  });
  for (int64_t i = 0; i < n.columns; ++i) {
    double weightTotal = 0, biasTotal = 0;
    for (int64_t block = 0; block < blocks; ++block) {
      const float* sum = sums.get() + block * sumsPerBlock + i;
      if (weight) weightTotal += sum[0];
      if (bias) biasTotal += sum[weight ? n.columns : 0];
    }
    if (weight) n.weightCotangent[i] = static_cast<float>(weightTotal);
    if (bias) n.biasCotangent[i] = static_cast<float>(biasTotal);
  }
  return Status::ok();
}

Status CpuDevice::rotary(const Rotary& r) {
  const float *cosines = r.cosines, *sines = r.sines;
  std::shared_ptr<const RotaryTable> table;
  if (cosines == nullptr) {
    table = rotaryTable({r.base, r.offset, r.tokens, r.headDim / 2});
    if (table == nullptr) return outOfMemory("the rotary embedding");
    cosines = table->cosines();
    sines = table->sines();
  }
  parallelFor(r.batch * r.tokens, rowGrain(r.heads * r.headDim), [&](int64_t begin, int64_t end) {
    sequenceFunctions().rotary(r, cosines, sines, begin, end);
  });
  return Status::ok();
}

void CpuDevice::activate(const Activate& a) {
  parallelFor(a.count, kGrain,
              [&](int64_t begin, int64_t end) { sequenceFunctions().activate(a, begin, end); });
}

void CpuDevice::activateBackward(const ActivateBackward& a) {
  parallelFor(a.count, kGrain, [&](int64_t begin, int64_t end) {
    sequenceFunctions().activateBackward(a, begin, end);
  });
}

int64_t CpuDevice::firstLabelOutOfRange(int64_t rows, int64_t classes, const int32_t* labels) {
  for (int64_t row = 0; row < rows; ++row) {
    if (labels[row] >= classes) return row;
  }
  return -1;
}

void CpuDevice::crossEntropy(const CrossEntropy& c) {
  parallelFor(c.rows, rowGrain(c.classes),
              [&](int64_t begin, int64_t end) { sequenceFunctions().crossEntropy(c, begin, end); });
  double sum = 0;
  int64_t counted = 0;
  for (int64_t row = 0; row < c.rows; ++row) {
    if (c.labels[row] < 0) continue;
    const double picked = c.logits[row * c.classes + c.labels[row]];
    sum += (c.logSumExp[2 * row] - picked) + c.logSumExp[2 * row + 1];
    ++counted;
  }
  *c.loss = counted == 0 ? 0.0f : static_cast<float>(sum / static_cast<double>(counted));
}

void CpuDevice::crossEntropyBackward(const CrossEntropyBackward& c) {
  int64_t counted = 0;
  for (int64_t row = 0; row < c.rows; ++row) counted += c.labels[row] >= 0;
  const float scale = counted == 0 ? 0.0f : *c.lossCotangent / static_cast<float>(counted);
  parallelFor(c.rows, rowGrain(c.classes), [&](int64_t begin, int64_t end) {
    sequenceFunctions().crossEntropyBackward(c, scale, begin, end);
  });
}

}  // namespace fastweight::cpu
