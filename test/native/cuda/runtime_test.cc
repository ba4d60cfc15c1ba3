// What the CUDA device does besides kernels: memory that runs out, copies, reads that do not wait,
// markers, failures that are kept until they are asked for.
#include <cstring>
#include <numeric>

#include "cuda/device_memory.h"
#include "cuda/launch.h"
#include "cuda/stream.h"
#include "cuda/tile_plan.h"
#include "cuda_emulation/memory_pools.h"
#include "cuda_tests.h"
#include "fastweight/tensor_table.h"

namespace fastweight::test {
namespace {

void testMemory(Device& device) {
  constexpr size_t kBytes = size_t{1} << 20;
  const size_t before = cuda_emulation::poolBytesInUse();
  cuda_emulation::setPoolLimit(before + 4 * kBytes);
  device.resetPeakBytes();
  void* a = device.allocate(2 * kBytes);
  void* b = device.allocate(kBytes);
  expect(a != nullptr && b != nullptr, "memory below the limit");
  device.release(a, 2 * kBytes);
  // 2 MiB lie idle: only when the pool is emptied is there room for 3.
  void* c = device.allocate(3 * kBytes);
  expect(c != nullptr, "the pool is emptied before memory runs out");
  expect(device.allocate(2 * kBytes) == nullptr, "null where there is none left");
  expect(device.peakBytes() >= 4 * kBytes, "the peak", std::to_string(device.peakBytes()));

  TensorTable tensors(device);
  Handle handle = 0;
  const Status status = tensors.allocate(2 * kBytes, &handle);
  expect(status.code() == Code::kOutOfMemory, "a tensor without memory", status.message());
  expect(device.synchronize().isOk(), "running out of memory is no failure of the queue");

  // A primitive that needs scratch memory reports at the next wait.
  std::vector<float> x(4), norm(4);
  cuda_emulation::setPoolLimit(0);
  FrobeniusNormalise p;
  p.rows = p.columns = 2;
  p.d = p.x = packed(x.data(), 2, 2), p.norms = norm.data();
  p.x = packed(x.data(), 2, 2);
  device.frobeniusNormalise(p);
  expect(device.synchronize().code() == Code::kOutOfMemory, "no scratch memory is reported");
  expect(device.synchronize().isOk(), "a failure is reported once");
  cuda_emulation::setPoolLimit(SIZE_MAX);
  device.release(b, kBytes);
  device.release(c, 3 * kBytes);
  expect(cuda_emulation::poolBytesInUse() == before, "all memory came back");
}

/// The same requests lead to the same addresses, whatever the order of the returns before.
void testIdleMemory() {
  cuda::Stream stream(0);
  cuda::DeviceMemory memory(stream);
  constexpr size_t kBytes = 1000, kLarge = size_t{32} << 20;
  std::vector<void*> first;
  for (int i = 0; i < 4; ++i) first.push_back(memory.allocate(kBytes));
  for (const int i : {2, 0, 3, 1}) memory.release(first[static_cast<size_t>(i)], kBytes);
  expect(memory.idleBytes() == 4 * kBytes, "what came back is kept");
  std::vector<void*> second, third;
  for (int i = 0; i < 4; ++i) second.push_back(memory.allocate(kBytes));
  for (const int i : {1, 2, 0, 3}) memory.release(second[static_cast<size_t>(i)], kBytes);
  for (int i = 0; i < 4; ++i) third.push_back(memory.allocate(kBytes));
  expect(second == third, "other orders of returns, the same addresses");
  for (void* each : third) memory.release(each, kBytes);
  for (size_t i = 0; i < 8; ++i) {
    void* large = memory.allocate(kLarge + i);
    memory.release(large, kLarge + i);
    expect(memory.idleBytes() < 5 * kLarge, "sizes that do not come again are not kept for ever");
  }
  memory.clear();
  expect(memory.idleBytes() == 0, "the pool gets it all");
  expect(stream.takeFailure().isOk(), "idle memory");
}

void testCopies(Device& device) {
  // Below the size that is staged, one piece, several pieces and part of one.
  for (const size_t floats : {size_t{0}, size_t{3}, size_t{100000}, size_t{3500000}}) {
    const size_t bytes = floats * sizeof(float);
    std::vector<float> from(floats), to(floats);
    std::iota(from.begin(), from.end(), 1.0f);
    void* memory = device.allocate(bytes);
    void* other = device.allocate(bytes);
    device.copyFromHost(memory, from.data(), bytes);
    device.copy(other, memory, bytes);
    const std::unique_ptr<HostRead> read = device.startRead(other, bytes);
    device.zero(memory, bytes);
    device.copyToHost(to.data(), other, bytes);
    const std::string what = std::to_string(floats) + " floats";
    expect(from == to, "copies " + what);
    expect(read != nullptr && read->wait().isOk(), "a later read of " + what);
    expect(floats == 0 || std::memcmp(read->data(), from.data(), bytes) == 0, "reads " + what);
    device.copyToHost(to.data(), memory, bytes);
    expect(to == std::vector<float>(floats), "zeroes " + what);
    device.release(memory, bytes);
    device.release(other, bytes);
  }
}

void testMarkers(Device& device) {
  const std::unique_ptr<Marker> start = device.mark(), end = device.mark();
  expect(start->wait().isOk() && end->wait().isOk(), "markers are passed");
  expect(end->millisecondsSince(*start) >= 0, "time goes on");
}

__global__ void nothing() {}

void testFailures() {
  cuda::Stream stream(0);
  cuda::launch(stream, "too many threads", {1, 4096}, nothing);
  cuda::launch(stream, "another failure", {1, 8192}, nothing);
  const Status status = stream.takeFailure();
  expect(status.code() == Code::kInternal &&
             status.message().find("too many threads") != std::string::npos &&
             status.message().find("cudaErrorInvalidConfiguration") != std::string::npos,
         "the first failure is kept", status.message());
  expect(stream.takeFailure().isOk(), "and taken once");
}

void testTilePlan() {
  cuda::TilePlan h200;
  h200.multiprocessors = 132;
  h200.cacheBytes = int64_t{50} << 20;
  h200.elementBytes = 2;
  // Three hidden matrices of bfloat16 in three fifths of 50 MiB: 3328 tokens; one wave is 2816.
  expect(h200.tokens(1, 1536) == 2816, "the view-synthesis tile",
         std::to_string(h200.tokens(1, 1536)));
  h200.cacheBytes = 1 << 20;
  expect(h200.tokens(64, 4096) == 128, "a tile is never empty");
  expect(cuda::symmetricParts(1, 64, 132) == 1, "small products stay whole");
  expect(cuda::symmetricParts(12, 1536, 132) == 4, "large products are cut");
}

}  // namespace

void testRuntime(Device& device) {
  testMemory(device);
  testIdleMemory();
  testCopies(device);
  testMarkers(device);
  testFailures();
  testTilePlan();
}

}  // namespace fastweight::test
