// Attention and its backward: how each splits into independent items for the threads.
#include <algorithm>
#include <cstring>

#include "cpu/attention_ranges.h"
#include "cpu/cpu_device.h"
#include "cpu/sequence_functions.h"
#include "cpu/sequence_scratch.h"
#include "cpu/thread_pool.h"

namespace fastweight::cpu {
namespace {

/// Queries whose rows of delta are worth a thread's start.
constexpr int64_t kDeltaGrain = 256;
/// Heads in fewer pieces than this leave threads idle.
constexpr int64_t kSegments = 64;
/// The sums of all segments take at most this many times the memory of the queries' cotangents.
constexpr int64_t kMostSums = 8;
/// Tiles of keys below which a segment is not worth its own sums.
constexpr int64_t kLeastTiles = 4;

/// How the backward cuts the keys of each head into segments. It depends on the shape alone, so
/// that sums run in the same order for any number of threads.
class SegmentPlan {
 public:
  explicit SegmentPlan(const AttentionShape& s) : s_(s) {
    const int64_t columns = sequenceFunctions().attentionColumns;
    const int64_t tiles = std::max<int64_t>(1, divideUp(s.keyTokens, columns));
    const int64_t window =
        std::max<int64_t>(1, s.causal ? std::min(s.window, s.keyTokens) : s.keyTokens);
    const int64_t heads = std::max<int64_t>(1, s.batch * s.heads);
    const int64_t wanted =
        std::min(divideUp(kSegments, heads), (kMostSums - 1) * s.keyTokens / window);
    perHead_ = std::max<int64_t>(1, std::min(wanted, tiles / kLeastTiles));
    keys_ = divideUp(tiles, perHead_) * columns;
    perHead_ = std::max<int64_t>(1, divideUp(s.keyTokens, keys_));
    for (int64_t index = 0; perHead_ > 1 && index < perHead_; ++index) {
      const TokenRange queries = queriesOf(index);
      most_ = std::max(most_, queries.end - queries.begin);
    }
  }

  int64_t perHead() const { return perHead_; }
  int64_t segments() const { return s_.batch * s_.heads * perHead_; }
  /// Floats of a segment's sums; 0 where each head is one segment, which sums in place.
  int64_t sumFloats() const { return most_ * s_.headDim; }

  /// Segment `item`, without its sums.
  AttentionSegment at(int64_t item) const {
    AttentionSegment segment;
    segment.b = item / perHead_ / s_.heads;
    segment.h = item / perHead_ % s_.heads;
    segment.begin = item % perHead_ * keys_;
    segment.end = std::min(s_.keyTokens, segment.begin + keys_);
    return segment;
  }

  /// The queries that see some of the keys of a head's segment `index`, documents not counted.
  TokenRange queriesOf(int64_t index) const {
    AttentionShape together = s_;
    together.firstKeys = nullptr;
    const int64_t begin = index * keys_;
    return cpu::queriesOf(together, 0, begin, std::min(keys_, s_.keyTokens - begin));
  }

 private:
  const AttentionShape& s_;
  int64_t perHead_ = 1, keys_ = 1, most_ = 0;
};

/// Writes the cotangents of q as the sums of all segments, in their order.
void addSegments(const AttentionBackward& a, const SegmentPlan& plan, const float* sums) {
  const AttentionShape& s = a.shape;
  parallelFor(s.batch * s.heads * s.queryTokens, kDeltaGrain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t head = row / s.queryTokens, t = row % s.queryTokens;
      float* to = a.qCotangent.data + head / s.heads * a.qCotangent.stride +
                  t * a.qCotangent.leading + head % s.heads * s.headDim;
      std::memset(to, 0, static_cast<size_t>(s.headDim) * sizeof(float));
      for (int64_t index = 0; index < plan.perHead(); ++index) {
        const TokenRange queries = plan.queriesOf(index);
        if (t < queries.begin || t >= queries.end) continue;
        const float* sum = sums + (head * plan.perHead() + index) * plan.sumFloats() +
                           (t - queries.begin) * s.headDim;
        for (int64_t d = 0; d < s.headDim; ++d) to[d] += sum[d];
      }
    }
  });
}

}  // namespace

Status CpuDevice::attention(const Attention& a) {
  const SequenceFunctions& f = sequenceFunctions();
  const AttentionShape& s = a.shape;
  const int64_t items = s.batch * s.heads * divideUp(s.queryTokens, f.attentionColumns);
  return withScratch(
      items, f.attentionScratch(s.headDim), "attention",
      [&](int64_t begin, int64_t end, float* scratch) { f.attention(a, begin, end, scratch); });
}

Status CpuDevice::attentionBackward(const AttentionBackward& a) {
  const SequenceFunctions& f = sequenceFunctions();
  const AttentionShape& s = a.shape;
  const int64_t queries = s.batch * s.heads * s.queryTokens;
  const SegmentPlan plan(s);
  const Scratch delta = scratchFloats(queries + plan.segments() * plan.sumFloats());
  if (delta == nullptr) return outOfMemory("the backward of attention");
  float* const sums = delta.get() + queries;
  parallelFor(queries, kDeltaGrain,
              [&](int64_t begin, int64_t end) { f.attentionDelta(a, delta.get(), begin, end); });
  FASTWEIGHT_RETURN_IF_ERROR(withScratch(
      plan.segments(), f.attentionScratch(s.headDim), "the backward of attention",
      [&](int64_t begin, int64_t end, float* scratch) {
        for (int64_t item = begin; item < end; ++item) {
          AttentionSegment segment = plan.at(item);
          TokenRange range{0, s.queryTokens};
          if (plan.sumFloats() > 0) {
            range = plan.queriesOf(item % plan.perHead());
            segment.firstQuery = range.begin;
            segment.qSums = sums + item * plan.sumFloats();
            segment.qStride = s.headDim;
          } else {
            segment.qSums =
                a.qCotangent.data + segment.b * a.qCotangent.stride + segment.h * s.headDim;
            segment.qStride = a.qCotangent.leading;
          }
          for (int64_t t = 0; t < range.end - range.begin; ++t) {
            std::memset(segment.qSums + t * segment.qStride, 0,
                        static_cast<size_t>(s.headDim) * sizeof(float));
          }
          f.attentionBackward(a, delta.get(), segment, scratch);
        }
      }));
  if (plan.sumFloats() > 0) addSegments(a, plan, sums);
  return Status::ok();
}

}  // namespace fastweight::cpu
