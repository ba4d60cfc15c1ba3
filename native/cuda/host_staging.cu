#include <algorithm>
#include <cstring>
#include <utility>

#include "cuda/host_staging.h"

namespace fastweight::cuda {
namespace {

/// Below this the driver's own way is as fast: it takes small writes along with the command.
constexpr size_t kLeastStaged = size_t{64} << 10;
/// Larger buffers go back to the system.
constexpr size_t kMostKept = size_t{64} << 20;

/// A copy into pinned memory, and the event behind it.
class PinnedRead final : public HostRead {
 public:
  PinnedRead(std::shared_ptr<PinnedMemory> pinned, void* memory, size_t bytes, cudaEvent_t done,
             Status earlier)
      : pinned_(std::move(pinned)),
        memory_(memory),
        bytes_(bytes),
        done_(done),
        earlier_(std::move(earlier)) {}
  ~PinnedRead() override {
    cudaEventSynchronize(done_);
    cudaEventDestroy(done_);
    pinned_->release(memory_, bytes_);
  }

  Status wait() override {
    const cudaError_t error = cudaEventSynchronize(done_);
    if (!earlier_.isOk() || error == cudaSuccess) return earlier_;
    return Status(Code::kInternal,
                  std::string("Expected the copy to the host to succeed but got ") +
                      cudaGetErrorName(error) + ": " + cudaGetErrorString(error));
  }

  const void* data() const override { return memory_; }

 private:
  std::shared_ptr<PinnedMemory> pinned_;
  void* memory_;
  size_t bytes_;
  cudaEvent_t done_;
  Status earlier_;
};

}  // namespace

PinnedMemory::~PinnedMemory() {
  for (auto& [size, buffers] : free_) {
    for (void* memory : buffers) cudaFreeHost(memory);
  }
}

size_t PinnedMemory::classOf(size_t bytes) {
  size_t size = 4096;
  while (size < bytes) size *= 2;
  return size;
}

void* PinnedMemory::allocate(size_t bytes) {
  const size_t size = classOf(bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<void*>& buffers = free_[size];
    if (!buffers.empty()) {
      void* memory = buffers.back();
      buffers.pop_back();
      return memory;
    }
  }
  cudaSetDevice(index_);
  void* memory = nullptr;
  if (cudaHostAlloc(&memory, size, cudaHostAllocDefault) == cudaSuccess) return memory;
  cudaGetLastError();
  return nullptr;
}

void PinnedMemory::release(void* memory, size_t bytes) {
  const size_t size = classOf(bytes);
  if (size > kMostKept) {
    cudaFreeHost(memory);
    return;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  free_[size].push_back(memory);
}

HostStaging::HostStaging(Stream& stream)
    : stream_(stream), pinned_(std::make_shared<PinnedMemory>(stream.index())) {}

HostStaging::~HostStaging() {
  for (Piece& piece : pieces_) {
    if (piece.memory == nullptr) continue;
    cudaEventSynchronize(piece.done);
    cudaEventDestroy(piece.done);
    pinned_->release(piece.memory, kPieceBytes);
  }
}

bool HostStaging::prepare() {
  for (Piece& piece : pieces_) {
    if (piece.memory != nullptr) continue;
    void* memory = pinned_->allocate(kPieceBytes);
    if (memory == nullptr) return false;
    stream_.record(cudaEventCreateWithFlags(&piece.done, cudaEventDisableTiming),
                   "making an event");
    piece.memory = memory;
  }
  return true;
}

void HostStaging::write(void* device, const void* host, size_t bytes) {
  if (bytes == 0) return;
  stream_.activate();
  if (bytes <= kLeastStaged || !prepare()) {
    stream_.record(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_.handle()),
                   "copying to the GPU");
    return;
  }
  size_t piece = 0;
  for (size_t start = 0; start < bytes; start += kPieceBytes, piece = (piece + 1) % kPieces) {
    const size_t count = std::min(kPieceBytes, bytes - start);
    Piece& p = pieces_[piece];
    stream_.record(cudaEventSynchronize(p.done), "waiting for a copy");
    std::memcpy(p.memory, static_cast<const char*>(host) + start, count);
    stream_.record(cudaMemcpyAsync(static_cast<char*>(device) + start, p.memory, count,
                                   cudaMemcpyHostToDevice, stream_.handle()),
                   "copying to the GPU");
    stream_.record(cudaEventRecord(p.done, stream_.handle()), "recording an event");
  }
}

void HostStaging::read(void* host, const void* device, size_t bytes) {
  if (bytes == 0) return;
  stream_.activate();
  if (bytes <= kLeastStaged || !prepare()) {
    stream_.record(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_.handle()),
                   "copying to the host");
    stream_.record(cudaStreamSynchronize(stream_.handle()), "waiting for the GPU");
    return;
  }
  // One piece is copied by the GPU while the one before it is copied out by the CPU.
  const auto start = [&](size_t offset) {
    Piece& p = pieces_[offset / kPieceBytes % kPieces];
    stream_.record(cudaMemcpyAsync(p.memory, static_cast<const char*>(device) + offset,
                                   std::min(kPieceBytes, bytes - offset), cudaMemcpyDeviceToHost,
                                   stream_.handle()),
                   "copying to the host");
    stream_.record(cudaEventRecord(p.done, stream_.handle()), "recording an event");
  };
  start(0);
  for (size_t offset = 0; offset < bytes; offset += kPieceBytes) {
    if (offset + kPieceBytes < bytes) start(offset + kPieceBytes);
    Piece& p = pieces_[offset / kPieceBytes % kPieces];
    stream_.record(cudaEventSynchronize(p.done), "waiting for a copy");
    std::memcpy(static_cast<char*>(host) + offset, p.memory, std::min(kPieceBytes, bytes - offset));
  }
}

std::unique_ptr<HostRead> HostStaging::startRead(const void* device, size_t bytes) {
  stream_.activate();
  void* memory = pinned_->allocate(bytes);
  if (memory == nullptr) return nullptr;
  cudaEvent_t done = nullptr;
  stream_.record(cudaEventCreateWithFlags(&done, cudaEventDisableTiming | cudaEventBlockingSync),
                 "making an event");
  if (bytes > 0) {
    stream_.record(cudaMemcpyAsync(memory, device, bytes, cudaMemcpyDeviceToHost, stream_.handle()),
                   "copying to the host");
  }
  stream_.record(cudaEventRecord(done, stream_.handle()), "recording an event");
  return std::make_unique<PinnedRead>(pinned_, memory, bytes, done, stream_.takeFailure());
}

}  // namespace fastweight::cuda
