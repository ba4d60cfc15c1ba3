// Work that a device keeps under a key and queues again: when its caller's function is called, what
// happens where it cannot be captured, where memory runs out, and when keys are too many.
#include <cuda_runtime.h>

#include "cuda/cuda_device.h"
#include "cuda/graph_cache.h"
#include "cuda_emulation/graphs.h"
#include "cuda_emulation/memory_pools.h"
#include "cuda_tests.h"

namespace fastweight::test {
namespace {

using cuda_emulation::graphCounts;

__global__ void addTo(float x, float* y) { *y += x; }

cudaError_t launchAddTo(cudaStream_t stream, float x, float* y) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(1);
  config.blockDim = dim3(1);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, addTo, x, y);
}

/// The emulation's own captures.
void testCapture() {
  cudaStream_t stream = nullptr;
  cudaStreamCreate(&stream);
  float x = 1, y = 0, copy = 0;
  expect(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeRelaxed) != cudaSuccess,
         "the default stream captures nothing");
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
  expect(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaErrorIllegalState,
         "a stream captures once at a time");
  launchAddTo(stream, x, &y);
  cudaMemcpyAsync(&copy, &y, sizeof y, cudaMemcpyDeviceToDevice, stream);
  cudaMemsetAsync(&y, 0, sizeof y, stream);
  x = 5;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  expect(cudaStreamEndCapture(stream, &graph) == cudaSuccess, "a capture ends");
  cudaGraphInstantiateWithFlags(&executable, graph, 0);
  cudaGraphDestroy(graph);
  expect(y == 0 && copy == 0, "what is captured does not run");
  y = 2;
  cudaGraphLaunch(executable, stream);
  expect(copy == 3 && y == 0, "nodes run in order, on arguments as they were",
         std::to_string(copy));
  cudaGraphExecDestroy(executable);

  const std::vector<std::pair<const char*, std::function<cudaError_t()>>> forbidden = {
      {"a wait for the stream", [&] { return cudaStreamSynchronize(stream); }},
      {"a question to the stream", [&] { return cudaStreamQuery(stream); }},
      {"a wait for the GPU", [] { return cudaDeviceSynchronize(); }},
      {"a copy that waits", [&] { return cudaMemcpy(&x, &y, 4, cudaMemcpyDefault); }},
      {"an allocation",
       [] {
         void* memory = nullptr;
         const cudaError_t error = cudaMalloc(&memory, 4);
         if (error == cudaSuccess) cudaFree(memory);
         return error;
       }},
      {"a wait for an event", [&] {
         cudaEvent_t event = nullptr;
         cudaEventCreate(&event);
         cudaEventRecord(event, stream);
         const cudaError_t error = cudaEventSynchronize(event);
         cudaEventDestroy(event);
         return error;
       }}};
  for (const auto& [what, call] : forbidden) {
    cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
    const cudaError_t error = call();
    expect(error == cudaErrorStreamCaptureUnsupported, std::string(what) + " is refused",
           cudaGetErrorName(error));
    expect(launchAddTo(stream, 1, &y) == cudaErrorStreamCaptureInvalidated,
           std::string(what) + " spoils the capture");
    expect(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated,
           "and is told at its end");
    expect(call() == cudaSuccess, std::string(what) + " works afterwards");
  }
  cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed);
  expect(cudaDeviceSynchronize() == cudaSuccess, "a relaxed capture allows what is not its own");
  cudaStreamEndCapture(stream, &graph);
  cudaGraphDestroy(graph);
  cudaGetLastError();
  cudaStreamDestroy(stream);
}

/// A device with 64 floats in its memory, and the work x = x / (||x|| + 1), which needs scratch
/// memory.
class Queue {
 public:
  Queue() : bytesBefore_(cuda_emulation::poolBytesInUse()) {
    expect(cuda::CudaDevice::create(0, &device_).isOk(), "a device of its own");
    x_ = static_cast<float*>(device_->allocate(kBytes));
    norm_ = static_cast<float*>(device_->allocate(sizeof(float)));
  }
  ~Queue() {
    device_->release(x_, kBytes);
    device_->release(norm_, sizeof(float));
    device_.reset();
    expect(graphCounts().alive == 0, "graphs go with the device");
    expect(cuda_emulation::poolBytesInUse() == bytesBefore_, "memory goes with the device");
  }

  Device& device() { return *device_; }
  int calls() const { return calls_; }

  /// Queues the work, and `also`, under `key`.
  void queue(int64_t key, const std::function<void()>& also = [] {}) {
    ReplayKey words;
    words.add(key, x_);
    device_->queueReplayable(words, [&] {
      ++calls_;
      normalise();
      also();
    });
  }

  void normalise() {
    FrobeniusNormalise p;
    p.rows = p.columns = kSide;
    p.epsilon = 1;
    p.d = p.x = packed(x_, kSide, kSide);
    p.norms = norm_;
    device_->frobeniusNormalise(p);
  }

  /// Whether queue() does to new values what the work does by itself.
  void expectRight(
      const std::string& what, int64_t key, const std::function<void()>& also = [] {}) {
    const std::vector<float> values = random_.floats(kSide * kSide);
    std::vector<float> wanted(values.size()), got(values.size());
    device_->copyFromHost(x_, values.data(), kBytes);
    normalise();
    device_->copyToHost(wanted.data(), x_, kBytes);
    device_->copyFromHost(x_, values.data(), kBytes);
    queue(key, also);
    device_->copyToHost(got.data(), x_, kBytes);
    const Status status = device_->synchronize();
    expect(status.isOk(), what, status.message());
    expect(got == wanted, what + ": other values");
  }

  float* x() const { return x_; }

 private:
  static constexpr int64_t kSide = 8;
  static constexpr size_t kBytes = kSide * kSide * sizeof(float);

  size_t bytesBefore_;
  std::unique_ptr<Device> device_;
  float* x_ = nullptr;
  float* norm_ = nullptr;
  Random random_{5};
  int calls_ = 0;
};

void testReplays() {
  Queue queue;
  const auto before = graphCounts();
  for (int time = 1; time <= 5; ++time) {
    queue.expectRight("work queued for time " + std::to_string(time), 1);
    expect(queue.calls() == std::min(time, 2), "work is called twice",
           std::to_string(queue.calls()));
  }
  expect(graphCounts().instantiated == before.instantiated + 1 &&
             graphCounts().launched == before.launched + 4,
         "one graph is launched four times");
  queue.expectRight("work of another key", 2);
  expect(queue.calls() == 3, "another key is other work");
  queue.device().setMatmulPrecision(MatmulPrecision::kTf32);
  queue.expectRight("work in another precision", 1);
  expect(queue.calls() == 4, "another precision is other work");

  // A failure from before stays where it is, and spoils nothing.
  std::vector<float> values(77), sums(77);
  cuda_emulation::setPoolLimit(0);
  queue.device().dotRows(77, 1, values.data(), values.data(), sums.data());
  cuda_emulation::setPoolLimit(SIZE_MAX);
  queue.queue(3);
  queue.queue(3);
  queue.queue(3);
  expect(queue.device().synchronize().code() == Code::kOutOfMemory, "an earlier failure is kept");
  expect(queue.device().synchronize().isOk(), "and is the only one");
}

/// Scratch memory that all graphs share grows with what the keys ask for.
void testScratch() {
  Queue queue;
  constexpr int64_t kRows = 64;
  constexpr size_t kBytes = kRows * sizeof(float);
  auto* large = static_cast<float*>(queue.device().allocate(kBytes));
  auto* sums = static_cast<float*>(queue.device().allocate(kBytes));
  queue.device().zero(large, kBytes);
  queue.device().zero(sums, kBytes);
  const auto largeWork = [&] { queue.device().dotRows(kRows, 1, large, large, sums); };
  queue.expectRight("little scratch memory", 1);
  queue.expectRight("little scratch memory, captured", 1);
  const size_t before = cuda_emulation::poolBytesInUse();
  queue.expectRight("more scratch memory", 2, largeWork);
  const int instantiated = graphCounts().instantiated;
  queue.expectRight("more scratch memory, captured", 2, largeWork);
  expect(cuda_emulation::poolBytesInUse() >= before, "the block may grow");
  const int calls = queue.calls();
  for (int time = 0; time < 3; ++time) {
    queue.expectRight("both in turn", 1);
    queue.expectRight("both in turn", 2, largeWork);
  }
  expect(queue.calls() - calls <= 1, "a graph of a smaller block is captured once more");
  expect(graphCounts().instantiated - instantiated <= 2 && graphCounts().alive == 2, "two graphs");

  // The peak counts the block as long as it is held.
  queue.device().resetPeakBytes();
  queue.queue(2, largeWork);
  const size_t peak = queue.device().peakBytes();
  queue.queue(2, largeWork);
  expect(queue.device().peakBytes() == peak, "a replay takes no memory of its own");
  queue.device().release(large, kBytes);
  queue.device().release(sums, kBytes);
}

/// Each is work that breaks the rules, or a GPU that lacks something: it runs as it comes.
void testUncapturable() {
  Queue queue;
  float host = 0;
  std::vector<float> values(64, 1.0f), sums(64);
  int64_t key = 0;
  const auto expectUncapturable = [&](const std::string& what, const std::function<void()>& also) {
    const auto before = graphCounts();
    const int calls = queue.calls();
    ++key;
    for (int time = 0; time < 4; ++time) queue.expectRight(what, key, also);
    expect(graphCounts().launched == before.launched, what + " is launched as a graph");
    expect(queue.calls() == calls + 5, what + " is captured more than once",
           std::to_string(queue.calls() - calls));
    expect(graphCounts().alive == before.alive, what + " leaves a graph behind");
    queue.expectRight("other work after " + what, 100);
  };
  expectUncapturable("a read", [&] { queue.device().copyToHost(&host, queue.x(), sizeof host); });
  expectUncapturable("a question",
                     [&] { expect(queue.device().allFinite(64, queue.x()), "finite numbers"); });
  expectUncapturable("a wait", [&] { queue.device().synchronize(); });
  int runs = 0;
  expectUncapturable("scratch memory that differs", [&] {
    // Nothing when it is measured.
    if (++runs > 1) queue.device().dotRows(64, 1, values.data(), values.data(), sums.data());
  });
  cuda_emulation::setInstantiationFails(true);
  expectUncapturable("a graph without memory", [] {});
  cuda_emulation::setInstantiationFails(false);
}

/// When memory runs out graphs give way.
void testMemoryRunsOut() {
  Queue queue;
  queue.expectRight("work", 1);
  queue.expectRight("work, captured", 1);
  expect(graphCounts().alive == 1, "a graph");
  constexpr size_t kBytes = size_t{1} << 20;
  void* memory = queue.device().allocate(kBytes);
  cuda_emulation::setPoolLimit(cuda_emulation::poolBytesInUse() + kBytes / 2);
  const size_t before = cuda_emulation::poolBytesInUse();
  expect(queue.device().allocate(kBytes) == nullptr, "no memory is left");
  expect(graphCounts().alive == 0, "graphs give way");
  expect(cuda_emulation::poolBytesInUse() < before, "and so does their scratch memory");
  const int calls = queue.calls();
  queue.expectRight("work again", 1);
  queue.expectRight("work again, captured", 1);
  queue.expectRight("work again, launched", 1);
  expect(queue.calls() == calls + 2 && graphCounts().alive == 1, "and is captured again");

  // Room for a larger block comes of giving way alone.
  std::vector<float> values(65, 1.0f), sums(65);
  const auto larger = [&] {
    queue.device().dotRows(65, 1, values.data(), values.data(), sums.data());
  };
  queue.expectRight("larger work", 2, larger);
  cuda_emulation::setPoolLimit(cuda_emulation::poolBytesInUse() + 1024);
  queue.expectRight("larger work that makes graphs give way", 2, larger);
  expect(graphCounts().alive == 0, "graphs give way to a block");
  cuda_emulation::setPoolLimit(SIZE_MAX);
  for (int time = 0; time < 4; ++time) {
    queue.expectRight("work in a larger block", 1);
    queue.expectRight("larger work", 2, larger);
  }
  expect(graphCounts().alive == 2, "and are captured again");
  queue.device().release(memory, kBytes);
}

void testBounds() {
  Queue queue;
  constexpr auto kMost = static_cast<int64_t>(cuda::GraphCache::kMostKeys);
  const auto useAll = [&](int64_t keys) {
    for (int64_t key = 0; key < keys; ++key) queue.queue(key);
  };
  useAll(kMost);
  useAll(kMost);
  useAll(kMost);
  expect(queue.calls() == 2 * kMost && graphCounts().alive == kMost, "as many graphs as keys fit");
  queue.queue(kMost);
  expect(graphCounts().alive == kMost - 1, "the oldest key goes");
  queue.queue(1);
  expect(queue.calls() == 2 * kMost + 1, "and no other");
  queue.queue(0);
  queue.queue(2);
  expect(queue.calls() == 2 * kMost + 3 && graphCounts().alive == kMost - 3,
         "what was used lately stays");
  const int instantiated = graphCounts().instantiated;
  for (int64_t key = kMost; key < 4 * kMost + 4; ++key) queue.queue(key % (kMost + 1) + 1000);
  expect(graphCounts().alive == 0 && graphCounts().instantiated == instantiated,
         "a longer cycle of keys is never captured");
  expect(queue.device().synchronize().isOk(), "the bounds");
}

}  // namespace

void testGraphs() {
  testCapture();
  testReplays();
  testScratch();
  testUncapturable();
  testMemoryRunsOut();
  testBounds();
}

}  // namespace fastweight::test
