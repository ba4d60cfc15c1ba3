#include "cuda_emulation/graphs.h"

#include <algorithm>
#include <mutex>

namespace {

/// Streams that the thread captures, but for those in the relaxed mode.
thread_local std::vector<cudaStream_t> strictCaptures;

std::mutex mutex;
cuda_emulation::GraphCounts counts;
bool instantiationFails = false;

void count(int cuda_emulation::GraphCounts::* which, int by = 1) {
  const std::lock_guard<std::mutex> lock(mutex);
  counts.*which += by;
}

cudaError_t spoil(cudaStream_t stream) {
  stream->isSpoilt = true;
  return cudaErrorStreamCaptureUnsupported;
}

}  // namespace

cudaError_t cuda_emulation::forbidInCapture(cudaStream_t stream) {
  return isCapturing(stream) ? spoil(stream) : cudaSuccess;
}

cudaError_t cuda_emulation::forbidWhileCapturing() {
  for (const cudaStream_t stream : strictCaptures) spoil(stream);
  return strictCaptures.empty() ? cudaSuccess : cudaErrorStreamCaptureUnsupported;
}

cuda_emulation::GraphCounts cuda_emulation::graphCounts() {
  const std::lock_guard<std::mutex> lock(mutex);
  return counts;
}

void cuda_emulation::setInstantiationFails(bool fails) {
  const std::lock_guard<std::mutex> lock(mutex);
  instantiationFails = fails;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (stream == nullptr) return cudaErrorStreamCaptureUnsupported;
  if (cuda_emulation::isCapturing(stream)) return cudaErrorIllegalState;
  stream->graph = new CUgraph_st();
  stream->isSpoilt = false;
  if (mode != cudaStreamCaptureModeRelaxed) strictCaptures.push_back(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (!cuda_emulation::isCapturing(stream)) return cudaErrorIllegalState;
  strictCaptures.erase(std::remove(strictCaptures.begin(), strictCaptures.end(), stream),
                       strictCaptures.end());
  std::swap(*graph, stream->graph);
  if (!stream->isSpoilt) return cudaSuccess;
  count(&cuda_emulation::GraphCounts::spoilt);
  delete *graph;
  *graph = nullptr;
  return cudaErrorStreamCaptureInvalidated;
}

cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (instantiationFails) return cudaErrorMemoryAllocation;
  *executable = new CUgraphExec_st{*graph};
  ++counts.instantiated;
  ++counts.alive;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const cudaError_t error = cuda_emulation::forbidInCapture(stream);
  if (error != cudaSuccess) return error;
  for (const std::function<void()>& node : executable->nodes) node();
  count(&cuda_emulation::GraphCounts::launched);
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  count(&cuda_emulation::GraphCounts::alive, -1);
  return cudaSuccess;
}
