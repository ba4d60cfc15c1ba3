// Cases that run on two devices with the same inputs, and how their results are compared.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "check.h"

namespace fastweight::test {

/// Memory of one run of a case on a device: inputs copied in, outputs that are read at its end.
/// Every array starts at an offset from its allocation, so that kernels meet addresses that they
/// may not read 16 bytes from.
class DeviceRun {
 public:
  DeviceRun(Device& device, int offset) : device_(device), offset_(offset) {}
  ~DeviceRun();
  DeviceRun(const DeviceRun&) = delete;
  DeviceRun& operator=(const DeviceRun&) = delete;

  Device& device() { return device_; }

  float* input(const std::vector<float>& values);
  int32_t* input(const std::vector<int32_t>& values);
  uint8_t* input(const std::vector<uint8_t>& values);
  /// An input that the case also changes.
  float* inOut(const std::vector<float>& values);
  float* floats(int64_t count) { return static_cast<float*>(output(count, 'f')); }
  int32_t* ints(int64_t count) { return static_cast<int32_t*>(output(count, 'i')); }
  uint8_t* bools(int64_t count) { return static_cast<uint8_t*>(output(count, 'b')); }
  /// Memory for `count` elements of a type, an output.
  void* elements(ElementType type, int64_t count);
  /// Keeps a number as a result.
  void note(double value) { noted_.push_back(value); }

  struct Result {
    char type;
    std::vector<unsigned char> bytes;
    std::vector<double> values() const;
  };
  /// Waits for the device, whose status must be good, and reads all outputs and notes.
  std::vector<Result> results(const std::string& what);

 private:
  struct Array {
    void* memory;
    size_t bytes;
    char type;  // 0 for inputs
    int64_t count;
  };
  template <typename T>
  T* copyIn(const std::vector<T>& values);
  void* allocate(int64_t count, int elementBytes, char type);
  void* output(int64_t count, char type);

  Device& device_;
  int offset_;
  std::vector<Array> arrays_;
  std::vector<double> noted_;
};

struct DeviceCase {
  std::string name;
  std::function<void(DeviceRun&)> run;
  /// The most that a float may differ, relative to the larger of itself and `scale` times the
  /// root mean square of its array; 0 for bitwise equality.
  double tolerance = 2e-6;
  double scale = 1;
  MatmulPrecision precision = MatmulPrecision::kFloat32;
};
using DeviceCases = std::vector<DeviceCase>;

/// Runs a case on the CPU and on the CUDA device, aligned and not, in both orders of the emulated
/// threads. Results agree with the CPU's to the tolerance, and bitwise with one another.
void testOnBoth(const DeviceCase& each, Device& cpu, Device& cuda);

}  // namespace fastweight::test
