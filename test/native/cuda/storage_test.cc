// Storage as bfloat16: the conversions, and tensors that are read and written through a table.
#include <cmath>
#include <cstring>
#include <limits>

#include "cuda_emulation/memory_pools.h"
#include "cuda_tests.h"
#include "fastweight/tensor_table.h"

namespace fastweight::test {
namespace {

float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// The bfloat16 nearest to a number that is not NaN, by distance; of two, the even one. Infinity
/// stands where the number after the largest would.
uint16_t nearest(float value) {
  const uint32_t below = bitsOf(value) >> 16;
  const auto magnitude = [](uint32_t bits) {
    const float wide = floatOf(bits << 16);
    return std::isinf(wide) ? std::ldexp(1.0, 128) : std::fabs(static_cast<double>(wide));
  };
  if (std::isinf(value)) return static_cast<uint16_t>(below);
  const double size = std::fabs(static_cast<double>(value));
  const double toBelow = size - magnitude(below), toAbove = magnitude(below + 1) - size;
  const bool up = toAbove < toBelow || (toAbove == toBelow && below % 2 == 1);
  return static_cast<uint16_t>(below + (up ? 1 : 0));
}

/// Of every bfloat16: itself, the numbers around the middle to the next one, the middle.
std::vector<float> roundedNumbers() {
  std::vector<float> values;
  for (uint32_t high = 0; high < 65536; ++high) {
    for (const uint32_t low : {0x0000u, 0x0001u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      values.push_back(floatOf(high << 16 | low));
    }
  }
  values.push_back(std::numeric_limits<float>::max());
  return values;
}

/// An array on the device, `offset` elements behind an aligned address.
template <typename T>
class DeviceArray {
 public:
  DeviceArray(Device& device, size_t count, size_t offset)
      : device_(device),
        bytes_((count + offset) * sizeof(T)),
        memory_(device.allocate(bytes_)),
        data_(static_cast<T*>(memory_) + offset),
        count_(count) {}
  ~DeviceArray() { device_.release(memory_, bytes_); }

  T* data() const { return data_; }
  void write(const std::vector<T>& values) {
    device_.copyFromHost(data_, values.data(), count_ * sizeof(T));
  }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    device_.copyToHost(values.data(), data_, count_ * sizeof(T));
    return values;
  }

 private:
  Device& device_;
  size_t bytes_;
  void* memory_;
  T* data_;
  size_t count_;
};

void testConversions(Device& device, size_t offset) {
  const std::string where = offset == 0 ? "" : ", not aligned";
  const std::vector<float> values = roundedNumbers();
  DeviceArray<float> wide(device, values.size(), offset);
  DeviceArray<uint16_t> narrow(device, values.size(), offset);
  wide.write(values);
  const auto count = static_cast<int64_t>(values.size());
  device.roundToBfloat16(count, wide.data(), narrow.data());
  const std::vector<uint16_t> stored = narrow.read();
  size_t wrong = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool isRight = std::isnan(values[i]) ? std::isnan(floatOf(uint32_t{stored[i]} << 16))
                                               : stored[i] == nearest(values[i]);
    if (!isRight) ++wrong;
  }
  expect(wrong == 0, "rounding to bfloat16" + where, std::to_string(wrong) + " are wrong");
  device.widenBfloat16(count, narrow.data(), wide.data());
  const std::vector<float> widened = wide.read();
  wrong = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    if (bitsOf(widened[i]) != uint32_t{stored[i]} << 16) ++wrong;
  }
  expect(wrong == 0, "widening bfloat16" + where, std::to_string(wrong) + " are wrong");
  expect(device.synchronize().isOk(), "conversions");
}

std::vector<float> valuesAt(Device& device, const void* memory, size_t count) {
  std::vector<float> values(count);
  device.copyToHost(values.data(), memory, count * sizeof(float));
  return values;
}

void testTable(Device& device) {
  const std::vector<float> values = {1, -2, 0.5f, 3, 1.00390625f};
  const std::vector<float> rounded = {1, -2, 0.5f, 3, 1};
  constexpr size_t kCount = 5, kBytes = kCount * sizeof(float);
  DeviceArray<float> source(device, kCount, 0);
  source.write(values);
  const size_t before = cuda_emulation::poolBytesInUse();
  {
    TensorTable tensors(device);
    Handle handle = 0;
    StoredResult result;
    expect(tensors.allocateStored(kCount, Storage::kBfloat16, &handle).isOk(), "a stored tensor");
    expect(tensors.storedResult(handle, kCount, &result).isOk(), "which is written as it is");
    void* stored = result.data;
    device.roundToBfloat16(kCount, source.data(), stored);
    expect(tensors.bytes() == 2 * kCount, "two bytes a value", std::to_string(tensors.bytes()));
    StoredFloats raw;
    expect(tensors.stored(handle, kCount, &raw).isOk() && raw.data == stored &&
               raw.storage == Storage::kBfloat16,
           "what is stored");
    const void *first = nullptr, *second = nullptr;
    expect(tensors.read(handle, kBytes, &first).isOk(), "reads float32");
    expect(tensors.read(handle, 4, &second).isOk() && first == second, "one copy for a call");
    expect(valuesAt(device, first, kCount) == rounded, "float32 values of a stored tensor");
    expect(tensors.read(handle, kBytes + 1, &first).code() == Code::kShape, "no more than it has");
    expect(tensors.bytes() == 2 * kCount, "copies are not the tensor's");
    tensors.releaseCopies();

    // No room for a copy: nothing changes.
    device.synchronize();
    void* copyBefore = device.allocate(kBytes);  // what was given back would serve
    cuda_emulation::setPoolLimit(cuda_emulation::poolBytesInUse());
    void* written = nullptr;
    expect(tensors.read(handle, kBytes, &first).code() == Code::kOutOfMemory, "no room to read");
    expect(tensors.write(handle, kBytes, &written).code() == Code::kOutOfMemory,
           "no room to write");
    cuda_emulation::setPoolLimit(SIZE_MAX);
    device.release(copyBefore, kBytes);
    expect(tensors.stored(handle, kCount, &raw).isOk() && raw.data == stored, "still stored");

    expect(tensors.write(handle, kBytes, &written).isOk() && tensors.bytes() == kBytes,
           "float32 for good once it is written");
    expect(valuesAt(device, written, kCount) == rounded, "the values stay");
    expect(tensors.read(handle, kBytes, &first).isOk() && first == written, "and need no copy");
    Handle other = 0;
    expect(tensors.allocateStored(0, Storage::kBfloat16, &other).isOk(), "an empty tensor");
    expect(tensors.read(other, 0, &first).isOk(), "which is read");
    expect(tensors.free(handle).isOk(), "frees it");
    // The table's end gives back what is left, the copy included.
  }
  device.synchronize();
  expect(cuda_emulation::poolBytesInUse() == before, "all memory came back");
}

}  // namespace

void testStorage(Device& device) {
  expect(device.storesBfloat16(), "the CUDA device stores bfloat16");
  expect(!createCpuDevice()->storesBfloat16(), "the CPU stores float32 alone");
  testConversions(device, 0);
  testConversions(device, 1);
  testTable(device);
}

}  // namespace fastweight::test
