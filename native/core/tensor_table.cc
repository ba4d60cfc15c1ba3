#include "fastweight/tensor_table.h"

#include <string>
#include <utility>

namespace fastweight {
namespace {

// A handle is generation * kSlots + slot: 2^26 tensors at a time, 2^26 generations of each slot.
constexpr int64_t kSlots = int64_t{1} << 26;
constexpr uint32_t kGenerations = 1u << 26;

}  // namespace

TensorTable::~TensorTable() {
  for (Slot& slot : slots_) {
    if (slot.alive) device_.release(slot.memory, slot.bytes);
  }
}

Status TensorTable::allocate(size_t bytes, Handle* handle) {
  if (vacant_.empty() && slots_.size() >= static_cast<size_t>(kSlots)) {
    return Status(Code::kOutOfMemory, "Expected fewer than 67108864 tensors alive at a time");
  }
  void* memory = device_.allocate(bytes);
  if (memory == nullptr) {
    return Status(Code::kOutOfMemory, "Expected room for a tensor of " + std::to_string(bytes) +
                                          " bytes on device " + device_.name() +
                                          " but got none. Dispose of tensors, or use smaller ones");
  }
  if (vacant_.empty()) {
    vacant_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const size_t index = vacant_.back();
  vacant_.pop_back();
  Slot& slot = slots_[index];
  slot.memory = memory;
  slot.bytes = bytes;
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

Status TensorTable::memory(Handle handle, size_t bytes, void** memory) const {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, &index));
  if (slots_[index].bytes < bytes) {
    return Status::expected(Code::kShape, "at least " + std::to_string(bytes) + " bytes", "tensor",
                            std::to_string(slots_[index].bytes));
  }
  *memory = slots_[index].memory;
  return Status::ok();
}

Status TensorTable::sizeOf(Handle handle, size_t* bytes) const {
  size_t index = 0;
  FASTWEIGHT_RETURN_IF_ERROR(find(handle, &index));
  *bytes = slots_[index].bytes;
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

}  // namespace fastweight
