// Switching between stacks of one host thread.
#pragma once

#include <cstddef>
#include <cstdint>
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace cuda_emulation {

#ifdef __x86_64__

/// A stack that waits: everything but its pointer lies on it.
struct Context {
  void* pointer = nullptr;
};

extern "C" void cudaEmulationSwitchStack(void** from, void* to);

/// A context that runs entry() on the stack when it is switched to. entry() never returns.
inline void prepare(Context* context, char* memory, size_t bytes, void (*entry)()) {
  constexpr int kSavedRegisters = 6;
  auto* top = reinterpret_cast<uint64_t*>((reinterpret_cast<uintptr_t>(memory) + bytes) / 16 * 16);
  top[-1] = 0;  // where entry() would return to
  top[-2] = reinterpret_cast<uint64_t>(entry);
  for (int i = 1; i <= kSavedRegisters; ++i) top[-2 - i] = 0;
  context->pointer = top - 2 - kSavedRegisters;
}

/// Leaves `from` to wait, and goes on where `to` waits. No system call, unlike swapcontext().
inline void switchStack(Context* from, Context* to) {
  cudaEmulationSwitchStack(&from->pointer, to->pointer);
}

#else

struct Context {
  ucontext_t context;
};

inline void prepare(Context* context, char* memory, size_t bytes, void (*entry)()) {
  getcontext(&context->context);
  context->context.uc_stack.ss_sp = memory;
  context->context.uc_stack.ss_size = bytes;
  makecontext(&context->context, entry, 0);
}

inline void switchStack(Context* from, Context* to) { swapcontext(&from->context, &to->context); }

#endif

}  // namespace cuda_emulation
