#include "cuda_emulation/copy_engine.h"

#include <cstring>
#include <vector>

#include "cuda_emulation/threads.h"

namespace cuda_emulation {
namespace {

/// What a barrier's eight bytes hold.
struct Phase {
  uint16_t threads;  // that arrive in a phase
  uint16_t missing;  // of the phase under way
  uint32_t phase : 1;
  int32_t bytes : 31;  // that were announced and have not arrived, or the other way round
};
static_assert(sizeof(Phase) == sizeof(uint64_t), "a barrier is eight bytes");

struct Copy {
  unsigned char* shared;
  CUtensorMap map;
  uint64_t* barrier;
  int at[3];
};

/// Those of the running block that wait for somebody to ask.
thread_local std::vector<Copy> pending;

template <typename Change>
void changePhase(uint64_t* barrier, const Change& change) {
  Phase phase;
  std::memcpy(&phase, barrier, sizeof phase);
  change(phase);
  if (phase.missing == 0 && phase.bytes == 0) {
    phase.missing = phase.threads;
    phase.phase ^= 1;
  }
  std::memcpy(barrier, &phase, sizeof phase);
}

bool isInside(const Copy& copy, int dimension, uint32_t offset) {
  const int64_t at = int64_t{copy.at[dimension]} + offset;
  return at >= 0 && static_cast<uint64_t>(at) < copy.map.sizes[dimension];
}

void carryOut(const Copy& copy) {
  const CUtensorMap& map = copy.map;
  const uint32_t start = sharedOffset(copy.shared);
  if (start % 1024 != 0) fail("a box is copied to shared memory that is not on 1024 bytes");
  unsigned char* const base = copy.shared - start;
  for (uint32_t z = 0; z < map.box[2]; ++z) {
    for (uint32_t y = 0; y < map.box[1]; ++y) {
      const uint32_t line = start + (z * map.box[1] + y) * 128;
      for (uint32_t x = 0; x < map.box[0]; ++x) {
        const uint32_t plain = line + 2 * x, swizzled = plain ^ (plain >> 3 & 0x70);
        if (isInside(copy, 0, x) && isInside(copy, 1, y) && isInside(copy, 2, z)) {
          const int64_t column = copy.at[0] + int64_t{x}, row = copy.at[1] + int64_t{y};
          std::memcpy(base + swizzled,
                      map.data + 2 * column + row * static_cast<int64_t>(map.strides[0]) +
                          (copy.at[2] + int64_t{z}) * static_cast<int64_t>(map.strides[1]),
                      2);
        } else {
          std::memset(base + swizzled, 0, 2);
        }
      }
    }
  }
  const int32_t bytes = static_cast<int32_t>(map.box[0] * map.box[1] * map.box[2] * 2);
  changePhase(copy.barrier, [&](Phase& phase) { phase.bytes -= bytes; });
}

bool isOver(uint64_t* barrier, uint32_t parity) {
  for (size_t i = 0; i < pending.size();) {
    if (pending[i].barrier != barrier) {
      ++i;
      continue;
    }
    const Copy copy = pending[i];
    pending.erase(pending.begin() + static_cast<int64_t>(i));
    carryOut(copy);
  }
  Phase phase;
  std::memcpy(&phase, barrier, sizeof phase);
  return phase.phase != parity;
}

}  // namespace

uint32_t sharedOffset(const void* shared) {
  const auto offset = static_cast<const unsigned char*>(shared) -
                      static_cast<const unsigned char*>(dynamicSharedMemory());
  if (offset < 0 || offset >= 227 * 1024) fail("an address outside of the block's shared memory");
  return static_cast<uint32_t>(offset);
}

void startBarrier(uint64_t* barrier, uint32_t threads) {
  const Phase phase = {static_cast<uint16_t>(threads), static_cast<uint16_t>(threads), 0, 0};
  std::memcpy(barrier, &phase, sizeof phase);
}

void arriveAt(uint64_t* barrier, uint32_t bytes) {
  changePhase(barrier, [&](Phase& phase) {
    if (phase.missing == 0) fail("more threads arrive at a barrier than it waits for");
    --phase.missing;
    phase.bytes += static_cast<int32_t>(bytes);
  });
}

void waitForPhase(uint64_t* barrier, uint32_t parity) {
  waitUntil([=] { return isOver(barrier, parity); });
}

void copyBox(void* shared, const CUtensorMap& map, uint64_t* barrier, int x, int y, int z) {
  const Copy copy = {static_cast<unsigned char*>(shared), map, barrier, {x, y, z}};
  if (isReversed()) {
    pending.push_back(copy);
  } else {
    carryOut(copy);
  }
}

}  // namespace cuda_emulation
