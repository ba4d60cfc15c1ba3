// Random numbers: the CPU's words at the CPU's places.
#include "cuda/cuda_device.h"
#include "cuda/launch.h"
#include "fastweight/philox.h"

namespace fastweight::cuda {
namespace {

/// Places of a group that one thread fills, kRandomLanes apart.
constexpr int kPlaces = kRandomGroup / kRandomLanes;

/// A thread for each lane of each group of kRandomGroup elements. fill.values()
/// makes the four of its counter's words.
template <RandomStream stream, typename Fill>
__global__ void __launch_bounds__(kBlockThreads)
    randomKernel(uint64_t seed, int64_t count, Fill fill) {
  const int64_t counter = int64_t{blockIdx.x} * kBlockThreads + threadIdx.x;
  const int64_t first = counter / kRandomLanes * kRandomGroup + counter % kRandomLanes;
  if (first >= count) return;
  const RandomWords random = philox(seed, stream, static_cast<uint64_t>(counter));
  const typename Fill::Values values = fill.values(random);
  for (int j = 0; j < kPlaces; ++j) {
    const int64_t i = first + j * kRandomLanes;
    if (i < count) fill.put(i, values.value[j]);
  }
}

template <RandomStream kind, typename Fill>
void fillRandom(Stream& stream, const char* what, uint64_t seed, int64_t count, const Fill& fill) {
  const int64_t threads = divideUp(count, kRandomGroup) * kRandomLanes;
  launch(stream, what, {divideUp(threads, kBlockThreads)}, randomKernel<kind, Fill>, seed, count,
         fill);
}

struct Floats {
  float value[kPlaces];
};

struct UniformFill {
  using Values = Floats;
  float low, high;
  float* y;

  __device__ Values values(const RandomWords& random) const {
    Values result;
    for (int j = 0; j < kPlaces; ++j) {
      const float value = low + (high - low) * unitUniform(random.word[j]);
      result.value[j] = value < high ? value : low;
    }
    return result;
  }
  __device__ void put(int64_t i, float value) const { y[i] = value; }
};

struct NormalFill {
  using Values = Floats;
  float mean, deviation;
  float* y;

  __device__ Values values(const RandomWords& random) const {
    Values result;
    for (int j = 0; j < kPlaces; j += 2) {
      float one, two;
      normalPair(random.word[j], random.word[j + 1], &one, &two);
      result.value[j] = mean + deviation * one;
      result.value[j + 1] = mean + deviation * two;
    }
    return result;
  }
  __device__ void put(int64_t i, float value) const { y[i] = value; }
};

struct DropoutFill {
  struct Values {
    uint32_t value[kPlaces];
  };
  uint32_t threshold;
  float scale;
  const float* x;
  float* y;

  __device__ Values values(const RandomWords& random) const {
    return {{random.word[0], random.word[1], random.word[2], random.word[3]}};
  }
  /// A product with 0 would leave NaN where an infinity is dropped.
  __device__ void put(int64_t i, uint32_t word) const {
    y[i] = word >= threshold ? scale * x[i] : 0.0f;
  }
};

}  // namespace

void CudaDevice::randomUniform(uint64_t seed, int64_t count, float low, float high, float* y) {
  fillRandom<RandomStream::kUniform>(stream_, "random uniform", seed, count,
                                     UniformFill{low, high, y});
}

void CudaDevice::randomNormal(uint64_t seed, int64_t count, float mean, float deviation, float* y) {
  fillRandom<RandomStream::kNormal>(stream_, "random normal", seed, count,
                                    NormalFill{mean, deviation, y});
}

void CudaDevice::dropout(uint64_t seed, int64_t count, double rate, const float* x, float* y) {
  const uint32_t threshold = static_cast<uint32_t>(rate * 4294967296.0);
  fillRandom<RandomStream::kDropout>(
      stream_, "dropout", seed, count,
      DropoutFill{threshold, static_cast<float>(1 / (1 - rate)), x, y});
}

}  // namespace fastweight::cuda
