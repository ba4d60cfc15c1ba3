// The seam for context parallelism: each rank holds part of every chunk's tokens.
#pragma once

#include <cstdint>

namespace fastweight {

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Replaces data [count], in device memory, by its sum over the ranks, in a fixed order.
  virtual void sum(int64_t count, float* data) = 0;
};

}  // namespace fastweight
