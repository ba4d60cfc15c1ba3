// Tensors behind numeric handles. A handle is a positive integer below 2^53 that carries its slot
// and the slot's generation, so that a stale or made-up handle is refused instead of followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "fastweight/device.h"
#include "fastweight/status.h"
#include "fastweight/storage.h"

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
///
/// A tensor of float32 values may be stored as bfloat16. Who reads it gets float32 values, in a
/// copy that lives until releaseCopies(), unless it asks for what is stored; who writes it changes
/// its storage to float32 for good. So only the readers of stored() know of storage.
class TensorTable {
 public:
  explicit TensorTable(Device& device) : device_(device) {}
  ~TensorTable();
  TensorTable(const TensorTable&) = delete;
  TensorTable& operator=(const TensorTable&) = delete;

  Device& device() { return device_; }

  /// A new tensor of `bytes` bytes, not initialised. ERR_OUT_OF_MEMORY when there is none left.
  Status allocate(size_t bytes, Handle* handle) {
    return allocate(bytes, Storage::kFloat32, handle);
  }
  /// A new tensor of `count` float32 values, stored so.
  Status allocateStored(int64_t count, Storage storage, Handle* handle) {
    return allocate(static_cast<size_t>(count * bytesOf(storage)), storage, handle);
  }
  /// Frees a tensor and its attachment. ERR_DISPOSED for a handle that is not alive.
  Status free(Handle handle);

  /// The tensor's values, at least `bytes` bytes of them, to be read. ERR_DISPOSED, ERR_SHAPE,
  /// ERR_OUT_OF_MEMORY.
  Status read(Handle handle, size_t bytes, const void** memory);
  /// The same to be written, and read, in place.
  Status write(Handle handle, size_t bytes, void** memory);
  /// At least `count` float32 values as they are stored, to be read.
  Status stored(Handle handle, int64_t count, StoredFloats* values) const;
  /// The same to be written.
  Status storedResult(Handle handle, int64_t count, StoredResult* values) const;
  /// Gives back the float32 copies that read() made; what is queued with them may still run.
  void releaseCopies();

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
    Storage storage = Storage::kFloat32;
    uint32_t generation = 1;
    bool alive = false;
    std::unique_ptr<Attachment> attachment;

    int64_t floats() const { return static_cast<int64_t>(bytes) / bytesOf(storage); }
    /// Of the values as they are read.
    size_t valueBytes() const { return storage == Storage::kFloat32 ? bytes : 2 * bytes; }
  };
  /// The values of a tensor that is stored otherwise.
  struct Copy {
    Handle handle;
    void* memory;
    size_t bytes;
  };

  Status allocate(size_t bytes, Storage storage, Handle* handle);
  Status find(Handle handle, size_t* slot) const;
  /// find(), and ERR_SHAPE where the tensor's values are fewer bytes.
  Status findValues(Handle handle, size_t bytes, size_t* slot) const;
  /// The values of a slot that stores bfloat16 as float32, in new memory.
  Status widen(const Slot& slot, void** memory);

  Device& device_;
  std::vector<Slot> slots_;
  std::vector<size_t> vacant_;
  std::vector<Copy> copies_;
  size_t live_ = 0;
};

}  // namespace fastweight
