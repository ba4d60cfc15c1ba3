// A block to a query, or to a key for the cotangents of keys and values; its warps take the other
// side's tokens in turns, and their sums are added in the order of the warps.
#include "cuda/attention_tiles.cuh"
#include "cuda/attention_wide_heads.h"
#include "cuda/group_fold.cuh"
#include "cuda/launch.h"
#include "cuda/shared_memory.cuh"
#include "cuda/stored.cuh"
#include "fastweight/scalar_functions.h"

namespace fastweight::cuda {
namespace {

constexpr int kWarps = kBlockThreads / 32;

/// Where a token's row of one head starts in a view.
template <typename Views>
__device__ __forceinline__ int64_t startOf(const Views& views, const AttentionShape& s,
                                           int64_t head, int64_t token) {
  return head / s.heads * views.stride + token * views.leading + head % s.heads * s.headDim;
}

/// That row.
struct HeadRow {
  ConstMatrices x;
  int64_t first;

  static __device__ HeadRow of(const ConstMatrices& x, const AttentionShape& s, int64_t head,
                               int64_t token) {
    return {x, startOf(x, s, head, token)};
  }
  __device__ float operator[](int64_t i) const { return loadFloats<1>(x, first + i).value[0]; }
};

__device__ __forceinline__ int warpOfBlock() { return static_cast<int>(threadIdx.x) / 32; }
__device__ __forceinline__ int laneOfWarp() { return static_cast<int>(threadIdx.x) % 32; }

/// <row, values> by a warp.
__device__ float dotWithRow(int64_t headDim, const HeadRow& row, const float* values) {
  float sum = 0;
  for (int64_t i = laneOfWarp(); i < headDim; i += 32) sum += row[i] * values[i];
  return groupSum<32>(sum);
}

/// Copies a row to shared memory, by the block.
__device__ void keepRow(int64_t headDim, const HeadRow& row, float scale, float* kept) {
  for (int64_t i = threadIdx.x; i < headDim; i += kBlockThreads) kept[i] = scale * row[i];
}

/// Sets the warps' sums [kWarps, count] to 0, by the block.
__device__ void clearSums(int64_t count, float* sums) {
  for (int64_t i = threadIdx.x; i < kWarps * count; i += kBlockThreads) sums[i] = 0;
}

/// store(i, the sum of factor(warp) times the warps' sums), by the block.
template <typename Factor, typename Store>
__device__ void addSums(int64_t count, const float* sums, Factor factor, Store store) {
  for (int64_t i = threadIdx.x; i < count; i += kBlockThreads) {
    float sum = 0;
    for (int warp = 0; warp < kWarps; ++warp) sum += factor(warp) * sums[warp * count + i];
    store(i, sum);
  }
}

__global__ void __launch_bounds__(kBlockThreads) wideAttentionKernel(Attention a) {
  const AttentionShape& s = a.shape;
  __shared__ float largestOf[kWarps], sumOf[kWarps];
  float* const query = dynamicShared<float>();
  float* const sums = query + s.headDim;
  const int64_t head = blockIdx.x / s.queryTokens, token = blockIdx.x % s.queryTokens;
  const TokenRange keys = Visibility(s, head / s.heads).keysOf(token);
  keepRow(s.headDim, HeadRow::of(a.q, s, head, token), s.scale, query);
  clearSums(s.headDim, sums);
  __syncthreads();
  float* const own = sums + warpOfBlock() * s.headDim;
  float largest = -3.40282347e38f, total = 0;
  for (int64_t key = keys.begin + warpOfBlock(); key < keys.end; key += kWarps) {
    const float score = dotWithRow(s.headDim, HeadRow::of(a.k, s, head, key), query);
    const float before = largest;
    largest = fmaxf(largest, score);
    const float factor = exponential(before - largest), weight = exponential(score - largest);
    total = total * factor + weight;
    const HeadRow value = HeadRow::of(a.v, s, head, key);
    for (int64_t i = laneOfWarp(); i < s.headDim; i += 32) {
      own[i] = own[i] * factor + weight * value[i];
    }
  }
  if (laneOfWarp() == 0) {
    largestOf[warpOfBlock()] = largest;
    sumOf[warpOfBlock()] = total;
  }
  __syncthreads();
  float all = 0;
  for (int warp = 0; warp < kWarps; ++warp) largest = fmaxf(largest, largestOf[warp]);
  const auto factorOf = [&](int warp) { return exponential(largestOf[warp] - largest); };
  for (int warp = 0; warp < kWarps; ++warp) all += factorOf(warp) * sumOf[warp];
  StoredResult output;
  output.data = a.output.data;
  output.storage = a.outputStorage;
  const int64_t first = startOf(a.output, s, head, token);
  addSums(s.headDim, sums, factorOf,
          [&](int64_t i, float sum) { storeFloat(output, first + i, sum / all); });
  if (threadIdx.x == 0) {
    a.logSumExp[blockIdx.x] = largest + static_cast<float>(log(static_cast<double>(all)));
  }
}

/// dq, and delta [batch, heads, queryTokens] = <output, outputCotangent>.
__global__ void __launch_bounds__(kBlockThreads)
    wideAttentionBackwardQKernel(AttentionBackward a, float* deltas) {
  const AttentionShape& s = a.shape;
  float* const query = dynamicShared<float>();
  float* const cotangent = query + s.headDim;
  float* const sums = cotangent + s.headDim;
  const int64_t head = blockIdx.x / s.queryTokens, token = blockIdx.x % s.queryTokens;
  const TokenRange keys = Visibility(s, head / s.heads).keysOf(token);
  keepRow(s.headDim, HeadRow::of(a.q, s, head, token), s.scale, query);
  keepRow(s.headDim, HeadRow::of(a.outputCotangent, s, head, token), 1, cotangent);
  clearSums(s.headDim, sums);
  __syncthreads();
  const float delta = dotWithRow(s.headDim, HeadRow::of(a.output, s, head, token), cotangent);
  if (threadIdx.x == 0) deltas[blockIdx.x] = delta;
  const float logSumExp = a.logSumExp[blockIdx.x];
  float* const own = sums + warpOfBlock() * s.headDim;
  for (int64_t key = keys.begin + warpOfBlock(); key < keys.end; key += kWarps) {
    const HeadRow row = HeadRow::of(a.k, s, head, key);
    const float weight = exponential(dotWithRow(s.headDim, row, query) - logSumExp);
    const float product = dotWithRow(s.headDim, HeadRow::of(a.v, s, head, key), cotangent);
    const float change = s.scale * weight * (product - delta);
    for (int64_t i = laneOfWarp(); i < s.headDim; i += 32) own[i] += change * row[i];
  }
  __syncthreads();
  float* const to = a.qCotangent.data + startOf(a.qCotangent, s, head, token);
  addSums(s.headDim, sums, [](int) { return 1.0f; }, [&](int64_t i, float sum) { to[i] = sum; });
}

__global__ void __launch_bounds__(kBlockThreads)
    wideAttentionBackwardKVKernel(AttentionBackward a, const float* deltas) {
  const AttentionShape& s = a.shape;
  float* const keyRow = dynamicShared<float>();
  float* const value = keyRow + s.headDim;
  float* const kSums = value + s.headDim;
  float* const vSums = kSums + kWarps * s.headDim;
  const int64_t head = blockIdx.x / s.keyTokens, token = blockIdx.x % s.keyTokens;
  const Visibility visible(s, head / s.heads);
  const TokenRange queries = visible.queriesOfAll(token, token + 1);
  keepRow(s.headDim, HeadRow::of(a.k, s, head, token), s.scale, keyRow);
  keepRow(s.headDim, HeadRow::of(a.v, s, head, token), 1, value);
  clearSums(2 * s.headDim, kSums);
  __syncthreads();
  float* const kOwn = kSums + warpOfBlock() * s.headDim;
  float* const vOwn = vSums + warpOfBlock() * s.headDim;
  for (int64_t query = queries.begin + warpOfBlock(); query < queries.end; query += kWarps) {
    const TokenRange seen = visible.keysOf(query);
    if (token < seen.begin || token >= seen.end) continue;
    const int64_t at = head * s.queryTokens + query;
    const HeadRow row = HeadRow::of(a.q, s, head, query);
    const HeadRow cotangent = HeadRow::of(a.outputCotangent, s, head, query);
    const float weight = exponential(dotWithRow(s.headDim, row, keyRow) - a.logSumExp[at]);
    const float product = dotWithRow(s.headDim, cotangent, value);
    const float change = s.scale * weight * (product - deltas[at]);
    for (int64_t i = laneOfWarp(); i < s.headDim; i += 32) {
      kOwn[i] += change * row[i];
      vOwn[i] += weight * cotangent[i];
    }
  }
  __syncthreads();
  const auto one = [](int) { return 1.0f; };
  float* const toK = a.kCotangent.data + startOf(a.kCotangent, s, head, token);
  float* const toV = a.vCotangent.data + startOf(a.vCotangent, s, head, token);
  addSums(s.headDim, kSums, one, [&](int64_t i, float sum) { toK[i] = sum; });
  addSums(s.headDim, vSums, one, [&](int64_t i, float sum) { toV[i] = sum; });
}

/// Rows of a head in shared memory, at the most: those of the cotangents of keys and values.
constexpr int64_t kMostRows = 2 + 2 * kWarps;

Status checkWidth(const Stream& stream, const AttentionShape& s) {
  // A part stays for the kernels' own arrays.
  const int64_t widest =
      (stream.sharedBytes() - 1024) / (kMostRows * static_cast<int64_t>(sizeof(float)));
  if (s.headDim <= widest) return Status::ok();
  return Status::expected(Code::kShape, "at most " + std::to_string(widest),
                          "the size of an attention head on this GPU", std::to_string(s.headDim));
}

/// Shared memory for so many rows of floats.
int64_t rowBytes(const AttentionShape& s, int64_t rows) {
  return rows * s.headDim * static_cast<int64_t>(sizeof(float));
}

}  // namespace

Status attentionOfWideHeads(Stream& stream, const Attention& a) {
  FASTWEIGHT_RETURN_IF_ERROR(checkWidth(stream, a.shape));
  const AttentionShape& s = a.shape;
  stream.activate();
  launch(stream, "attention",
         {s.batch * s.heads * s.queryTokens, kBlockThreads, rowBytes(s, 1 + kWarps)},
         wideAttentionKernel, a);
  return Status::ok();
}

Status attentionBackwardOfWideHeads(Stream& stream, DeviceMemory& memory,
                                    const AttentionBackward& a) {
  FASTWEIGHT_RETURN_IF_ERROR(checkWidth(stream, a.shape));
  const AttentionShape& s = a.shape;
  const int64_t queries = s.batch * s.heads * s.queryTokens;
  stream.activate();
  const Scratch deltas(stream, memory, static_cast<size_t>(queries) * sizeof(float));
  if (deltas.isNull() && queries > 0) return stream.takeFailure();
  constexpr const char* kWhat = "attention's backward";
  launch(stream, kWhat, {queries, kBlockThreads, rowBytes(s, 2 + kWarps)},
         wideAttentionBackwardQKernel, a, deltas.floats());
  launch(stream, kWhat, {s.batch * s.heads * s.keyTokens, kBlockThreads, rowBytes(s, kMostRows)},
         wideAttentionBackwardKVKernel, a, static_cast<const float*>(deltas.floats()));
  return Status::ok();
}

}  // namespace fastweight::cuda
