// Work that comes again, as CUDA graphs: hundreds of small launches become one.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <type_traits>

#include "cuda/device_memory.h"
#include "cuda/stream.h"
#include "fastweight/replay_key.h"

namespace fastweight::cuda {

/// Runs work of a new key as it comes, which also loads its kernels and shows how much scratch
/// memory it takes; captures it into a graph the second time; and only launches that graph from
/// then on. Work that cannot be captured runs as it comes each time.
///
/// A graph holds addresses. Its scratch memory is a block of the cache that all graphs share, one
/// after the other in the stream. The memory of its key is the caller's at every launch, and never
/// left the pool in between: before that gives memory back to the driver, the graphs go.
class GraphCache {
 public:
  GraphCache(Stream& stream, DeviceMemory& memory);
  ~GraphCache();
  GraphCache(const GraphCache&) = delete;
  GraphCache& operator=(const GraphCache&) = delete;

  /// Queues what `work` queues; see Device::queueReplayable().
  void queue(const ReplayKey& key, const std::function<void()>& work);
  /// Whether what is queued now goes into a graph.
  bool isCapturing() const { return isCapturing_; }

  /// Keys that are remembered; those unused the longest are forgotten. A cycle of more keys than
  /// this is never captured, and so never captured in vain.
  static constexpr size_t kMostKeys = 128;

 private:
  struct DestroyGraph {
    void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
  };
  using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, DestroyGraph>;

  enum class State { kNew, kMeasured, kUncapturable };
  struct Entry {
    State state = State::kNew;
    uint64_t lastUse = 0;
    /// Of the block that its scratch memory fits in.
    size_t scratchBytes = 0;
    /// Null until it is captured.
    Graph graph;
  };

  Entry& entryOf(const ReplayKey& key);
  void runMeasuring(Entry& entry, const std::function<void()>& work);
  /// Whether the block is as large as any entry asks for; graphs of a smaller one are dropped.
  bool reserveScratch();
  void releaseScratch();
  Graph capture(const std::function<void()>& work);
  void dropGraphs();
  /// Forgets everything and returns the block.
  void clear();

  Stream& stream_;
  DeviceMemory& memory_;
  std::map<ReplayKey, Entry> entries_;
  uint64_t uses_ = 0;
  void* scratch_ = nullptr;
  size_t scratchBytes_ = 0;
  bool isCapturing_ = false;
};

}  // namespace fastweight::cuda
