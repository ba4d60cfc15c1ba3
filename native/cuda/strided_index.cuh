// Where the elements of two strided arrays lie, by their place in the packed walk.
#pragma once

#include "fastweight/tensor_kernels.h"

namespace fastweight::cuda {

/// Division by a number that is known before the kernel starts: a product and a shift where both
/// numbers fit 31 bits (Granlund and Montgomery, "Division by invariant integers using
/// multiplication", 1994), else the machine's 64-bit division.
class Divisor {
 public:
  Divisor() = default;
  /// For dividends of at most `largest`. A divisor of 0, that of an empty axis, is never used.
  Divisor(int64_t divisor, int64_t largest) : divisor_(divisor > 0 ? divisor : 1) {
    if (divisor_ > 0x7fffffff || largest > 0x7fffffff) return;
    const uint64_t size = static_cast<uint64_t>(divisor_);
    while ((uint64_t{1} << shift_) < size) ++shift_;
    factor_ = static_cast<uint32_t>((((uint64_t{1} << shift_) - size) << 32) / size + 1);
  }

  __host__ __device__ int64_t quotient(int64_t dividend) const {
    if (factor_ == 0) return dividend / divisor_;
    const uint32_t n = static_cast<uint32_t>(dividend);
    const uint32_t high = static_cast<uint32_t>((uint64_t{n} * factor_) >> 32);
    return (high + n) >> shift_;
  }
  __host__ __device__ int64_t divisor() const { return divisor_; }

 private:
  int64_t divisor_ = 1;
  uint32_t factor_ = 0;
  int shift_ = 0;
};

struct PlacePair {
  int64_t first, second;
};

/// The walk of a StridedPair, ready for kernels.
class StridedIndex {
 public:
  explicit StridedIndex(const StridedPair& layout) : rank_(layout.rank) {
    int64_t count = 1;
    for (int axis = 0; axis < rank_; ++axis) count *= layout.sizes[axis];
    for (int axis = 0; axis < rank_; ++axis) {
      sizes_[axis] = Divisor(layout.sizes[axis], count);
      firstStrides_[axis] = layout.firstStrides[axis];
      secondStrides_[axis] = layout.secondStrides[axis];
    }
  }

  /// Where element `place` of the walk lies in both arrays.
  __host__ __device__ PlacePair operator()(int64_t place) const {
    PlacePair at = {0, 0};
    for (int axis = rank_ - 1; axis > 0; --axis) {
      const int64_t rest = sizes_[axis].quotient(place);
      const int64_t index = place - rest * sizes_[axis].divisor();
      at.first += index * firstStrides_[axis];
      at.second += index * secondStrides_[axis];
      place = rest;
    }
    at.first += place * firstStrides_[0];
    at.second += place * secondStrides_[0];
    return at;
  }

 private:
  int rank_;
  Divisor sizes_[StridedPair::kMaxRank];
  int64_t firstStrides_[StridedPair::kMaxRank] = {};
  int64_t secondStrides_[StridedPair::kMaxRank] = {};
};

}  // namespace fastweight::cuda
