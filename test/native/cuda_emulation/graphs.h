// Stream capture and graphs. What goes into a stream that captures does not run but becomes a node,
// with copies of its arguments; a launch of the graph runs the nodes in their order. What CUDA
// forbids meanwhile fails here, too, and spoils the capture.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "cuda_emulation/runtime_api.h"

enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2,
};

struct CUgraph_st {
  std::vector<std::function<void()>> nodes;
};
struct CUgraphExec_st : CUgraph_st {};
using cudaGraph_t = CUgraph_st*;
using cudaGraphExec_t = CUgraphExec_st*;

struct CUstream_st {
  /// What is captured into; null while nothing is.
  cudaGraph_t graph = nullptr;
  bool isSpoilt = false;
};

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* executable, cudaGraph_t graph,
                                          unsigned long long flags);
cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable);

namespace cuda_emulation {

inline bool isCapturing(cudaStream_t stream) {
  return stream != nullptr && stream->graph != nullptr;
}

/// Runs `work`, or makes it a node where the stream captures.
template <typename Work>
cudaError_t enqueue(cudaStream_t stream, Work&& work) {
  if (!isCapturing(stream)) {
    work();
    return cudaSuccess;
  }
  if (stream->isSpoilt) return cudaErrorStreamCaptureInvalidated;
  stream->graph->nodes.push_back(std::forward<Work>(work));
  return cudaSuccess;
}

/// For a call that waits for the stream or asks it: fails where it captures.
cudaError_t forbidInCapture(cudaStream_t stream);
/// For a call outside of any stream's order that CUDA calls unsafe: fails where the calling thread
/// captures in another mode than the relaxed one.
cudaError_t forbidWhileCapturing();

/// Since the program's start, but for `alive`.
struct GraphCounts {
  int instantiated = 0, launched = 0, spoilt = 0;
  /// Executable graphs that were not destroyed.
  int alive = 0;
};
GraphCounts graphCounts();
/// Whether no graph can be instantiated from now on.
void setInstantiationFails(bool fails);

}  // namespace cuda_emulation
