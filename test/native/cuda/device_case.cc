#include "device_case.h"

#include <cuda_runtime.h>

#include <cmath>
#include <cstring>

namespace fastweight::test {
namespace {

int bytesOf(char type) { return type == 'b' ? 1 : (type == 'd' ? 8 : 4); }

template <typename T>
std::vector<double> asDoubles(const std::vector<unsigned char>& bytes) {
  std::vector<double> values(bytes.size() / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<double>(value);
  }
  return values;
}

bool agree(double got, double wanted, double tolerance, double floor) {
  if (std::isnan(wanted)) return std::isnan(got);
  if (std::isinf(wanted) || tolerance == 0) return got == wanted;
  return std::fabs(got - wanted) <= tolerance * std::fmax(std::fabs(wanted), floor);
}

/// "" where the results agree, else the first place where they do not.
std::string difference(const DeviceCase& each, const std::vector<DeviceRun::Result>& got,
                       const std::vector<DeviceRun::Result>& wanted) {
  for (size_t array = 0; array < wanted.size(); ++array) {
    const std::vector<double> a = got[array].values(), b = wanted[array].values();
    double squares = 0;
    int64_t finite = 0;
    for (const double value : b) {
      if (!std::isfinite(value)) continue;
      squares += value * value;
      ++finite;
    }
    const double floor = finite == 0 ? 0 : each.scale * std::sqrt(squares / finite);
    const double tolerance = wanted[array].type == 'f' ? each.tolerance : 0;
    for (size_t i = 0; i < b.size(); ++i) {
      if (agree(a[i], b[i], tolerance, floor)) continue;
      char text[160];
      std::snprintf(text, sizeof text, "output %zu, element %zu of %zu: %.9g instead of %.9g",
                    array, i, b.size(), a[i], b[i]);
      return text;
    }
  }
  return "";
}

bool sameBits(const std::vector<DeviceRun::Result>& a, const std::vector<DeviceRun::Result>& b) {
  for (size_t array = 0; array < a.size(); ++array) {
    if (a[array].bytes != b[array].bytes) return false;
  }
  return true;
}

}  // namespace

std::vector<double> DeviceRun::Result::values() const {
  switch (type) {
    case 'f':
      return asDoubles<float>(bytes);
    case 'i':
      return asDoubles<int32_t>(bytes);
    case 'b':
      return asDoubles<uint8_t>(bytes);
    default:
      return asDoubles<double>(bytes);
  }
}

DeviceRun::~DeviceRun() {
  for (const Array& array : arrays_) device_.release(array.memory, array.bytes);
}

void* DeviceRun::allocate(int64_t count, int elementBytes, char type) {
  const size_t bytes = static_cast<size_t>((count + offset_) * elementBytes);
  void* memory = device_.allocate(bytes);
  arrays_.push_back({memory, bytes, type, count});
  return static_cast<unsigned char*>(memory) + offset_ * elementBytes;
}

void* DeviceRun::output(int64_t count, char type) { return allocate(count, bytesOf(type), type); }

void* DeviceRun::elements(ElementType type, int64_t count) {
  return output(count, type == ElementType::kFloat32 ? 'f'
                       : type == ElementType::kInt32 ? 'i'
                                                     : 'b');
}

template <typename T>
T* DeviceRun::copyIn(const std::vector<T>& values) {
  void* memory = allocate(static_cast<int64_t>(values.size()), sizeof(T), 0);
  device_.copyFromHost(memory, values.data(), values.size() * sizeof(T));
  return static_cast<T*>(memory);
}

float* DeviceRun::input(const std::vector<float>& values) { return copyIn(values); }
int32_t* DeviceRun::input(const std::vector<int32_t>& values) { return copyIn(values); }
uint8_t* DeviceRun::input(const std::vector<uint8_t>& values) { return copyIn(values); }

float* DeviceRun::inOut(const std::vector<float>& values) {
  float* memory = copyIn(values);
  arrays_.back().type = 'f';
  return memory;
}

std::vector<DeviceRun::Result> DeviceRun::results(const std::string& what) {
  const Status status = device_.synchronize();
  expect(status.isOk(), what, status.message());
  std::vector<Result> all;
  for (const Array& array : arrays_) {
    if (array.type == 0) continue;
    const int elementBytes = bytesOf(array.type);
    Result result = {array.type,
                     std::vector<unsigned char>(static_cast<size_t>(array.count * elementBytes))};
    device_.copyToHost(result.bytes.data(),
                       static_cast<unsigned char*>(array.memory) + offset_ * elementBytes,
                       result.bytes.size());
    all.push_back(std::move(result));
  }
  Result notes = {'d', std::vector<unsigned char>(noted_.size() * sizeof(double))};
  if (!noted_.empty()) std::memcpy(notes.bytes.data(), noted_.data(), notes.bytes.size());
  all.push_back(std::move(notes));
  return all;
}

void testOnBoth(const DeviceCase& each, Device& cpu, Device& cuda) {
  const auto runOn = [&](Device& device, int offset) {
    DeviceRun run(device, offset);
    each.run(run);
    return run.results(each.name + " on " + device.name());
  };
  const auto wanted = runOn(cpu, 0);
  expect(cuda.setMatmulPrecision(each.precision).isOk(), each.name, "set the precision");
  const auto got = runOn(cuda, 0);
  const std::string wrong = difference(each, got, wanted);
  expect(wrong.empty(), each.name, wrong);
  cuda_emulation::setReversedThreads(true);
  expect(sameBits(runOn(cuda, 0), got), each.name, "other bits in another order of the threads");
  cuda_emulation::setReversedThreads(false);
  // Other ways through memory may add in another order.
  const std::string wrongApart = difference(each, runOn(cuda, 1), wanted);
  expect(wrongApart.empty(), each.name + ", not aligned", wrongApart);
}

}  // namespace fastweight::test
