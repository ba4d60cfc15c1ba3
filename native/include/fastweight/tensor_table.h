// Tensors behind numeric handles. A handle is a positive integer below 2^53 that carries its slot
// and the slot's generation, so that a stale or made-up handle is refused instead of followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastweight/device.h"
#include "fastweight/status.h"

namespace fastweight {

using Handle = int64_t;

/// What may ride along with a tensor and is freed with it, such as the tape of a forward pass.
class Attachment {
 public:
  virtual ~Attachment() = default;
  /// Device bytes held.
  virtual size_t bytes() const = 0;
};

/// Owns the tensors of one JavaScript environment on one device. Not thread-safe: an environment
/// has one thread.
class TensorTable {
 public:
  explicit TensorTable(Device& device) : device_(device) {}
  ~TensorTable();
  TensorTable(const TensorTable&) = delete;
  TensorTable& operator=(const TensorTable&) = delete;

  Device& device() { return device_; }

  /// A new tensor of `bytes` bytes, not initialised. ERR_OUT_OF_MEMORY when there is none left.
  Status allocate(size_t bytes, Handle* handle);
  /// Frees a tensor and its attachment. ERR_DISPOSED for a handle that is not alive.
  Status free(Handle handle);

  /// The tensor's memory, which must hold at least `bytes`. ERR_DISPOSED, ERR_SHAPE.
  Status memory(Handle handle, size_t bytes, void** memory) const;
  Status sizeOf(Handle handle, size_t* bytes) const;

  /// Ties `attachment` to the tensor, in place of any it had.
  Status attach(Handle handle, std::unique_ptr<Attachment> attachment);
  /// The tensor's attachment, or null; the tensor goes on owning it.
  Status attachment(Handle handle, Attachment** attachment) const;

  /// Bytes of tensors and attachments alive, and the number of tensors.
  size_t bytes() const;
  size_t count() const { return live_; }

 private:
  struct Slot {
    void* memory = nullptr;
    size_t bytes = 0;
    uint32_t generation = 1;
    bool alive = false;
    std::unique_ptr<Attachment> attachment;
  };

  Status find(Handle handle, size_t* slot) const;

  Device& device_;
  std::vector<Slot> slots_;
  std::vector<size_t> vacant_;
  size_t live_ = 0;
};

}  // namespace fastweight
