#include "cuda_emulation/pending_copies.h"

#include <cstring>
#include <deque>
#include <vector>

#include "cuda_emulation/threads.h"

namespace cuda_emulation {
namespace {

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

/// One of each thread of a block; the last group is still open.
struct Groups {
  std::deque<std::vector<Copy>> groups{1};
};

Groups& ofThread() {
  thread_local std::vector<Groups> all(1024);
  return all[threadNumber()];
}

}  // namespace

void startCopy(void* to, const void* from, size_t bytes) {
  std::memset(to, 0xff, bytes);
  ofThread().groups.back().push_back({to, from, bytes});
}

void endCopies() { ofThread().groups.emplace_back(); }

void waitForCopies(size_t later) {
  auto& groups = ofThread().groups;
  while (groups.size() > later + 1) {
    for (const Copy& copy : groups.front()) {
      if (copy.from != nullptr) {
        std::memcpy(copy.to, copy.from, copy.bytes);
      } else {
        std::memset(copy.to, 0, copy.bytes);
      }
    }
    groups.pop_front();
  }
}

bool hasPendingCopies() {
  for (const auto& group : ofThread().groups) {
    if (!group.empty()) return true;
  }
  return false;
}

}  // namespace cuda_emulation
