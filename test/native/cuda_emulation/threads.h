// The threads of a block: who they are, and how they wait for and exchange values with one another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#include "cuda_emulation/language.h"

// What the running thread can see.
inline thread_local uint3 threadIdx{}, blockIdx{};
inline thread_local dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace cuda_emulation {

constexpr unsigned int kWarpThreads = 32;
/// Bytes that a thread can show to its warp at a time.
constexpr size_t kExchangeBytes = 64;

/// The running thread's number in its block, and in its warp.
inline unsigned int threadNumber() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
inline unsigned int lane() { return threadNumber() % kWarpThreads; }

/// Runs body() once for every thread of every block, blocks one after another.
void runGrid(dim3 grid, dim3 block, size_t sharedBytes, const std::function<void()>& body);

/// The running block's dynamic shared memory, of exactly the bytes it was launched with.
void* dynamicSharedMemory();

/// Whether the threads of a block take their turns from the last to the first.
void setReversedThreads(bool reversed);
bool isReversed();

/// Ends the process with a message that names the running thread.
[[noreturn]] void fail(const char* what);

/// Gives way until the condition holds; others look at it, too, in the waiting thread's place.
void waitUntil(const std::function<bool()>& isOver);

/// Waits for all threads of the block that have not ended.
void waitForBlock();
/// Waits for the threads of the warp that `mask` names and that have not ended.
void waitForWarp(unsigned int mask);

/// The values that the lanes in `mask` gave to the same call: those of lane i at
/// result + i * kExchangeBytes. Valid until the thread's next exchange but one.
const unsigned char* exchangeInWarp(unsigned int mask, const void* value, size_t bytes);

/// exchangeInWarp for one value, of lane `source`.
template <typename T>
T valueOfLane(unsigned int mask, T value, unsigned int source) {
  static_assert(sizeof(T) <= kExchangeBytes, "a value that an exchange holds");
  const unsigned char* all = exchangeInWarp(mask, &value, sizeof(T));
  T result;
  std::memcpy(&result, all + source * kExchangeBytes, sizeof(T));
  return result;
}

}  // namespace cuda_emulation

inline void __syncthreads() { cuda_emulation::waitForBlock(); }
inline void __syncwarp(unsigned int mask = 0xffffffffu) { cuda_emulation::waitForWarp(mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <typename T>
T __shfl_sync(unsigned int mask, T value, int source, int width = warpSize) {
  const unsigned int lane = cuda_emulation::lane();
  const unsigned int first = lane / width * width;
  return cuda_emulation::valueOfLane(mask, value,
                                     first + static_cast<unsigned int>(source) % width);
}
template <typename T>
T __shfl_xor_sync(unsigned int mask, T value, int bits, int width = warpSize) {
  const unsigned int lane = cuda_emulation::lane(), source = lane ^ bits;
  return cuda_emulation::valueOfLane(mask, value, source / width > lane / width ? lane : source);
}
template <typename T>
T __shfl_down_sync(unsigned int mask, T value, unsigned int step, int width = warpSize) {
  const unsigned int lane = cuda_emulation::lane();
  return cuda_emulation::valueOfLane(mask, value,
                                     lane % width + step < unsigned(width) ? lane + step : lane);
}
template <typename T>
T __shfl_up_sync(unsigned int mask, T value, unsigned int step, int width = warpSize) {
  const unsigned int lane = cuda_emulation::lane();
  return cuda_emulation::valueOfLane(mask, value, lane % width >= step ? lane - step : lane);
}
unsigned int __ballot_sync(unsigned int mask, int predicate);
inline int __any_sync(unsigned int mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned int mask, int predicate) {
  return __ballot_sync(mask, !predicate) == 0;
}
/// How many of the block's threads gave a predicate that holds.
int __syncthreads_count(int predicate);
inline int __syncthreads_or(int predicate) { return __syncthreads_count(predicate) != 0; }
inline int __syncthreads_and(int predicate) { return __syncthreads_count(!predicate) == 0; }
