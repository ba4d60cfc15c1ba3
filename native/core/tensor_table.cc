#include "fastweight/tensor_table.h"

#include <string>
#include <utility>

namespace fastweight {
namespace {

// A handle is generation * kSlots + slot: 2^26 tensors at a time, 2^26 generations of each slot.
constexpr int64_t kSlots = int64_t{1} << 26;
constexpr uint32_t kGenerations = 1u << 26;

Status noRoom(const Device& device, size_t bytes) {
  return Status(Code::kOutOfMemory, "Expected room for a tensor of " + std::to_string(bytes) +
                                        " bytes on device " + device.name() +
                                        " but got none. Dispose of tensors, or use smaller ones");
}

}  // namespace

TensorTable::~TensorTable() {
  releaseCopies();
  for (Slot& slot : slots_) {
    if (slot.alive) device_.release(slot.memory, slot.bytes);
  }
}

Status TensorTable::allocate(size_t bytes, Storage storage, Handle* handle) {
  if (vacant_.empty() && slots_.size() >= static_cast<size_t>(kSlots)) {
    return Status(Code::kOutOfMemory, "Expected fewer than 67108864 tensors alive at a time");
  }
  void* memory = device_.allocate(bytes);
  if (memory == nullptr) return noRoom(device_, bytes);
  if (vacant_.empty()) {
    vacant_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const size_t index = vacant_.back();
  vacant_.pop_back();
  Slot& slot = slots_[index];
  slot.memory = memory;
  slot.bytes = bytes;
  slot.storage = storage;
  slot.alive = true;
  ++live_;
  *handle = static_cast<Handle>(slot.generation) * kSlots + static_cast<Handle>(index);
  return Status::ok();
}

Status TensorTable::free(Handle handle) {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, &index));
  Slot& slot = slots_[index];
  device_.release(slot.memory, slot.bytes);
  slot.attachment.reset();
  slot.memory = nullptr;
  slot.alive = false;
  slot.generation = slot.generation + 1 < kGenerations ? slot.generation + 1 : 1;
  vacant_.push_back(index);
  --live_;
  return Status::ok();
}

Status TensorTable::read(Handle handle, size_t bytes, const void** memory) {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(findValues(handle, bytes, &index));
  const Slot& slot = slots_[index];
  if (slot.storage == Storage::kFloat32) {
    *memory = slot.memory;
    return Status::ok();
  }
  for (const Copy& copy : copies_) {
    if (copy.handle == handle) {
      *memory = copy.memory;
      return Status::ok();
    }
  }
  void* values = nullptr;
  FASTWEIGHT_RETURN_IF_ERROR(widen(slot, &values));
  copies_.push_back({handle, values, slot.valueBytes()});
  *memory = values;
  return Status::ok();
}

Status TensorTable::write(Handle handle, size_t bytes, void** memory) {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(findValues(handle, bytes, &index));
  Slot& slot = slots_[index];
  if (slot.storage != Storage::kFloat32) {
    void* values = nullptr;
    FASTWEIGHT_RETURN_IF_ERROR(widen(slot, &values));
    device_.release(slot.memory, slot.bytes);
    slot.memory = values;
    slot.bytes = slot.valueBytes();
    slot.storage = Storage::kFloat32;
  }
  *memory = slot.memory;
  return Status::ok();
}

Status TensorTable::stored(Handle handle, int64_t count, StoredFloats* values) const {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(
      findValues(handle, static_cast<size_t>(count) * sizeof(float), &index));
  *values = {slots_[index].memory, slots_[index].storage};
  return Status::ok();
}

Status TensorTable::storedResult(Handle handle, int64_t count, StoredResult* values) const {
  StoredFloats readable;
  FASTWEIGHT_RETURN_IF_ERROR(stored(handle, count, &readable));
  *values = {const_cast<void*>(readable.data), readable.storage};
  return Status::ok();
}

void TensorTable::releaseCopies() {
  for (const Copy& copy : copies_) device_.release(copy.memory, copy.bytes);
  copies_.clear();
}

Status TensorTable::widen(const Slot& slot, void** memory) {
  *memory = device_.allocate(slot.valueBytes());
  if (*memory == nullptr) return noRoom(device_, slot.valueBytes());
  device_.widenBfloat16(slot.floats(), slot.memory, static_cast<float*>(*memory));
  return Status::ok();
}

Status TensorTable::attach(Handle handle, std::unique_ptr<Attachment> attachment) {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, &index));
  slots_[index].attachment = std::move(attachment);
  return Status::ok();
}

Status TensorTable::attachment(Handle handle, Attachment** attachment) const {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, &index));
  *attachment = slots_[index].attachment.get();
  return Status::ok();
}

size_t TensorTable::bytes() const {
  size_t total = 0;
  for (const Slot& slot : slots_) {
    if (!slot.alive) continue;
    total += slot.bytes;
    if (slot.attachment) total += slot.attachment->bytes();
  }
  return total;
}

Status TensorTable::find(Handle handle, size_t* index) const {
  const size_t slot = static_cast<size_t>(handle % kSlots);
  if (handle <= 0 || slot >= slots_.size() || !slots_[slot].alive ||
      static_cast<Handle>(slots_[slot].generation) != handle / kSlots) {
    return Status::expected(Code::kDisposed, "a live tensor", "handle", std::to_string(handle));
  }
  *index = slot;
  return Status::ok();
}

Status TensorTable::findValues(Handle handle, size_t bytes, size_t* index) const {
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, index));
  const size_t held = slots_[*index].valueBytes();
  if (held >= bytes) return Status::ok();
  return Status::expected(Code::kShape, "at least " + std::to_string(bytes) + " bytes", "tensor",
                          std::to_string(held));
}

}  // namespace fastweight
