#include <algorithm>
#include <optional>
#include <utility>

#include "cuda/graph_cache.h"

namespace fastweight::cuda {

GraphCache::GraphCache(Stream& stream, DeviceMemory& memory) : stream_(stream), memory_(memory) {
  memory_.beforeClearing([this] { clear(); });
}

GraphCache::~GraphCache() {
  memory_.beforeClearing(nullptr);
  clear();
}

void GraphCache::queue(const ReplayKey& key, const std::function<void()>& work) {
  stream_.activate();
  Entry& entry = entryOf(key);
  if (entry.state == State::kNew) {
    runMeasuring(entry, work);
    return;
  }
  if (entry.state == State::kUncapturable || !reserveScratch() || entry.state == State::kNew) {
    work();
    return;
  }
  if (entry.graph == nullptr) entry.graph = capture(work);
  if (entry.graph != nullptr) {
    if (cudaGraphLaunch(entry.graph.get(), stream_.handle()) == cudaSuccess) return;
    cudaGetLastError();
    entry.graph.reset();
  }
  entry.state = State::kUncapturable;
  work();
}

GraphCache::Entry& GraphCache::entryOf(const ReplayKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end() && entries_.size() == kMostKeys) {
    entries_.erase(std::min_element(
        entries_.begin(), entries_.end(),
        [](const auto& a, const auto& b) { return a.second.lastUse < b.second.lastUse; }));
  }
  Entry& entry = found != entries_.end() ? found->second : entries_[key];
  entry.lastUse = ++uses_;
  return entry;
}

void GraphCache::runMeasuring(Entry& entry, const std::function<void()>& work) {
  Status earlier = stream_.takeFailure();
  memory_.startMeasuring();
  work();
  const std::optional<size_t> bytes = memory_.endMeasuring();
  Status failure = stream_.takeFailure();
  // What stays in use was made once for all time: the next run asks for less.
  if (bytes && failure.isOk()) {
    entry.scratchBytes = *bytes;
    entry.state = State::kMeasured;
  }
  stream_.record(std::move(earlier));
  stream_.record(std::move(failure));
}

bool GraphCache::reserveScratch() {
  size_t most = 0;
  for (const auto& [key, entry] : entries_) {
    if (entry.state == State::kMeasured) most = std::max(most, entry.scratchBytes);
  }
  if (most <= scratchBytes_) return true;
  dropGraphs();
  releaseScratch();
  scratch_ = memory_.allocate(most);  // where memory is short by way of clear()
  if (scratch_ == nullptr) return false;
  scratchBytes_ = most;
  return true;
}

void GraphCache::releaseScratch() {
  memory_.release(std::exchange(scratch_, nullptr), std::exchange(scratchBytes_, 0));
}

GraphCache::Graph GraphCache::capture(const std::function<void()>& work) {
  const cudaStream_t stream = stream_.handle();
  // This thread's calls that are not in the order of the stream fail, as they would be missing from
  // the graph; other threads, which wait for their reads, go on.
  if (cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  Status earlier = stream_.takeFailure();
  isCapturing_ = true;
  memory_.startServing(scratch_, scratchBytes_);
  work();
  const bool cameBack = memory_.endServing();
  isCapturing_ = false;
  cudaGraph_t graph = nullptr;
  const bool ended = cudaStreamEndCapture(stream, &graph) == cudaSuccess;
  const bool worked = stream_.takeFailure().isOk();
  cudaGraphExec_t executable = nullptr;
  if (ended && cameBack && worked &&
      cudaGraphInstantiateWithFlags(&executable, graph, 0) != cudaSuccess) {
    executable = nullptr;
  }
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaGetLastError();
  stream_.record(std::move(earlier));
  return Graph(executable);
}

void GraphCache::dropGraphs() {
  // One that still runs is freed at its end.
  for (auto& [key, entry] : entries_) entry.graph.reset();
}

void GraphCache::clear() {
  // Not the entries themselves: one may be at work.
  for (auto& [key, entry] : entries_) entry = Entry{State::kNew, entry.lastUse, 0, nullptr};
  releaseScratch();
}

}  // namespace fastweight::cuda
