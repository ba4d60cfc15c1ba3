// Each thread of a block runs on a stack of its own and gives way where it waits. A stack whose
// thread has ended takes the block's next thread without a switch, so kernels without barriers
// need one stack.
#include "cuda_emulation/threads.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "cuda_emulation/pending_copies.h"
#include "cuda_emulation/stack_switch.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

#ifdef __x86_64__
// Saves what a function keeps for its caller, swaps stacks, and restores the same.
asm(R"(
.text
.globl cudaEmulationSwitchStack
.hidden cudaEmulationSwitchStack
.type cudaEmulationSwitchStack, @function
cudaEmulationSwitchStack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size cudaEmulationSwitchStack, .-cudaEmulationSwitchStack
)");
#endif

namespace cuda_emulation {
namespace {

constexpr size_t kStackBytes = 256 * 1024;

bool threadsReversed = false;

/// Threads that wait for one another. Each pass of all of them is a generation.
struct Barrier {
  unsigned int mask = 0;  // lanes, for barriers of warps
  int arrived = 0;
  uint64_t generation = 0;
  unsigned char shown[2][kWarpThreads * kExchangeBytes];
};

struct Warp {
  unsigned int alive = 0;
  /// One for each set of lanes that ever waited for one another.
  std::vector<std::unique_ptr<Barrier>> barriers;

  Barrier& barrierOf(unsigned int mask) {
    for (auto& barrier : barriers) {
      if (barrier->mask == mask) return *barrier;
    }
    barriers.push_back(std::make_unique<Barrier>());
    barriers.back()->mask = mask;
    return *barriers.back();
  }
};

struct Stack {
  Context context;
  std::unique_ptr<char[]> memory{new char[kStackBytes]};
  uint3 thread{};                     // that waits here
  const Barrier* waitsFor = nullptr;  // until this is beyond `generation`
  uint64_t generation = 0;
  const std::function<bool()>* condition = nullptr;  // or until this holds
  bool idle = true;

  bool mayGoOn() const {
    return condition != nullptr ? (*condition)() : waitsFor->generation != generation;
  }
};

class Block {
 public:
  /// blockIdx, blockDim and gridDim are set.
  void run(size_t sharedBytes, const std::function<void()>& body);

  void wait(Barrier& barrier, int expected);
  void waitUntil(const std::function<bool()>& isOver);
  void waitForBlock() { wait(blockBarrier_, alive_); }
  int count(int predicate);
  void waitForWarp(unsigned int mask);
  const unsigned char* exchange(unsigned int mask, const void* value, size_t bytes);
  void* shared() { return shared_.get(); }

 private:
  static void entry();
  void runThreads();
  void enter(Stack& stack);
  void leave();
  bool startNext();
  Warp& warp() { return warps_[threadNumber() / kWarpThreads]; }
  void end();
  static void release(Barrier& barrier) {
    barrier.arrived = 0;
    ++barrier.generation;
  }

  const std::function<void()>* body_ = nullptr;
  unsigned int threads_ = 0, started_ = 0;
  int alive_ = 0;
  int counts_[2] = {};
  Barrier blockBarrier_;
  std::vector<Warp> warps_;
  std::vector<std::unique_ptr<Stack>> stacks_;
  Stack* current_ = nullptr;
  Context scheduler_;
  std::unique_ptr<unsigned char[]> shared_;
#ifdef __SANITIZE_ADDRESS__
  const void* schedulerStack_ = nullptr;
  size_t schedulerBytes_ = 0;
#endif
};

thread_local Block block;

void Block::enter(Stack& stack) {
  current_ = &stack;
  threadIdx = stack.thread;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, stack.memory.get(), kStackBytes);
#endif
  switchStack(&scheduler_, &stack.context);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
#endif
}

void Block::leave() {
  Stack& stack = *current_;
  stack.thread = threadIdx;
#ifdef __SANITIZE_ADDRESS__
  void* fake = nullptr;
  __sanitizer_start_switch_fiber(&fake, schedulerStack_, schedulerBytes_);
#endif
  switchStack(&stack.context, &scheduler_);
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(fake, &schedulerStack_, &schedulerBytes_);
#endif
}

/// Makes the running stack the next thread that has not started; false where all have.
bool Block::startNext() {
  if (started_ == threads_) return false;
  const unsigned int at = threadsReversed ? threads_ - 1 - started_ : started_;
  ++started_;
  threadIdx = {at % blockDim.x, at / blockDim.x % blockDim.y, at / blockDim.x / blockDim.y};
  return true;
}

/// The running thread has ended: those who wait no longer wait for it.
void Block::end() {
  if (hasPendingCopies()) fail("a thread ends before its copies to shared memory do");
  --alive_;
  if (blockBarrier_.arrived > 0 && blockBarrier_.arrived == alive_) release(blockBarrier_);
  Warp& own = warp();
  own.alive &= ~(1u << lane());
  for (auto& barrier : own.barriers) {
    const unsigned int rest = barrier->mask & own.alive;
    if (barrier->arrived > 0 && barrier->arrived == __builtin_popcount(rest)) release(*barrier);
  }
}

/// What a stack runs: threads until none is left to start; then it is idle until the next block.
void Block::entry() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, &block.schedulerStack_, &block.schedulerBytes_);
#endif
  for (;;) {
    while (block.startNext()) {
      (*block.body_)();
      block.end();
    }
    block.current_->idle = true;
    block.leave();
  }
}

void Block::runThreads() {
  size_t used = 0;
  while (alive_ > 0) {
    bool moved = false;
    if (started_ < threads_) {
      if (used == stacks_.size()) {
        auto stack = std::make_unique<Stack>();
        prepare(&stack->context, stack->memory.get(), kStackBytes, entry);
        stacks_.push_back(std::move(stack));
      }
      Stack& stack = *stacks_[used++];
      stack.idle = false;
      stack.waitsFor = nullptr;
      stack.condition = nullptr;
      enter(stack);
      continue;
    }
    for (size_t i = 0; i < used; ++i) {
      Stack& stack = *stacks_[i];
      if (stack.idle || !stack.mayGoOn()) continue;
      enter(stack);
      moved = true;
    }
    if (!moved && alive_ > 0) fail("threads wait for others that never come");
  }
}

void Block::run(size_t sharedBytes, const std::function<void()>& body) {
  body_ = &body;
  threads_ = blockDim.x * blockDim.y * blockDim.z;
  started_ = 0;
  alive_ = static_cast<int>(threads_);
  warps_.resize((threads_ + kWarpThreads - 1) / kWarpThreads);
  for (size_t w = 0; w < warps_.size(); ++w) {
    const unsigned int lanes = threads_ - static_cast<unsigned int>(w) * kWarpThreads;
    warps_[w].alive = lanes >= kWarpThreads ? 0xffffffffu : (1u << lanes) - 1;
  }
  // Not initialised on a GPU either: all bits set, which as floats are NaN.
  shared_.reset(new unsigned char[sharedBytes]);
  std::memset(shared_.get(), 0xff, sharedBytes);
  runThreads();
}

void Block::wait(Barrier& barrier, int expected) {
  const uint64_t generation = barrier.generation;
  if (++barrier.arrived == expected) return release(barrier);
  current_->waitsFor = &barrier;
  current_->generation = generation;
  leave();
}

void Block::waitUntil(const std::function<bool()>& isOver) {
  if (isOver()) return;
  current_->condition = &isOver;
  leave();
  current_->condition = nullptr;
}

int Block::count(int predicate) {
  int& total = counts_[blockBarrier_.generation % 2];
  if (blockBarrier_.arrived == 0) total = 0;
  total += predicate != 0;
  waitForBlock();
  return total;
}

void Block::waitForWarp(unsigned int mask) {
  Warp& own = warp();
  if ((mask >> lane() & 1) == 0) fail("a thread waits in a warp whose mask leaves it out");
  wait(own.barrierOf(mask), __builtin_popcount(mask & own.alive));
}

const unsigned char* Block::exchange(unsigned int mask, const void* value, size_t bytes) {
  Barrier& barrier = warp().barrierOf(mask);
  unsigned char* shown = barrier.shown[barrier.generation % 2];
  if (barrier.arrived == 0) std::memset(shown, 0xff, kWarpThreads * kExchangeBytes);
  std::memcpy(shown + lane() * kExchangeBytes, value, bytes);
  waitForWarp(mask);
  return shown;
}

}  // namespace

void runGrid(dim3 grid, dim3 size, size_t sharedBytes, const std::function<void()>& body) {
  gridDim = grid;
  blockDim = size;
  for (blockIdx.z = 0; blockIdx.z < grid.z; ++blockIdx.z) {
    for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
      for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) block.run(sharedBytes, body);
    }
  }
}

void fail(const char* what) {
  std::fprintf(stderr, "CUDA emulation: %s, in thread (%u, %u, %u) of block (%u, %u, %u)\n", what,
               threadIdx.x, threadIdx.y, threadIdx.z, blockIdx.x, blockIdx.y, blockIdx.z);
  std::abort();
}

void waitUntil(const std::function<bool()>& isOver) { block.waitUntil(isOver); }
bool isReversed() { return threadsReversed; }
void* dynamicSharedMemory() { return block.shared(); }
void setReversedThreads(bool reversed) { threadsReversed = reversed; }
void waitForBlock() { block.waitForBlock(); }
void waitForWarp(unsigned int mask) { block.waitForWarp(mask); }
const unsigned char* exchangeInWarp(unsigned int mask, const void* value, size_t bytes) {
  return block.exchange(mask, value, bytes);
}

}  // namespace cuda_emulation

unsigned int __ballot_sync(unsigned int mask, int predicate) {
  const int holds = predicate != 0;
  const unsigned char* all = cuda_emulation::exchangeInWarp(mask, &holds, sizeof holds);
  unsigned int result = 0;
  for (unsigned int lane = 0; lane < cuda_emulation::kWarpThreads; ++lane) {
    int value;
    std::memcpy(&value, all + lane * cuda_emulation::kExchangeBytes, sizeof value);
    if ((mask >> lane & 1) != 0 && value == 1) result |= 1u << lane;
  }
  return result;
}

int __syncthreads_count(int predicate) { return cuda_emulation::block.count(predicate); }
