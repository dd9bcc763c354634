// A second stack to run on, switched to by hand: saving the registers that a call must keep takes a
// few instructions where swapcontext asks the system twice. Elsewhere, and under AddressSanitizer,
// which has to know of stacks, it is swapcontext.
#ifndef QUANTRAIN_EMULATOR_FIBER_H_
#define QUANTRAIN_EMULATOR_FIBER_H_

#include <stddef.h>

#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__)
#include <ucontext.h>
#endif

namespace emulator {

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__)

// Pushes the registers that a call must keep, leaves the stack pointer in *from and goes on with
// the stack `to`, which ended the same way.
extern "C" void emulator_switch_stack(void** from, void* to);

class Context {
 public:
  // Begins with entry, which must never return.
  void Start(char* stack, size_t bytes, void (*entry)()) {
    // As emulator_switch_stack leaves it: six registers, then the address to return to. What a
    // call finds at its entry is 8 bytes off a multiple of 16.
    void** top = reinterpret_cast<void**>(reinterpret_cast<size_t>(stack + bytes) / 16 * 16);
    top[-2] = reinterpret_cast<void*>(entry);
    for (int i = 3; i <= 8; ++i) top[-i] = nullptr;
    stack_pointer_ = top - 8;
  }
  // Saves the running context here and goes on with another.
  void SwitchTo(Context* other) { emulator_switch_stack(&stack_pointer_, other->stack_pointer_); }

 private:
  void* stack_pointer_ = nullptr;
};

#else

class Context {
 public:
  // Not inlined: the compiler fears that getcontext returns twice and would clobber the caller's
  // variables.
  __attribute__((noinline)) void Start(char* stack, size_t bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  void SwitchTo(Context* other) { swapcontext(&context_, &other->context_); }

 private:
  ucontext_t context_;
};

#endif

}  // namespace emulator

#endif  // QUANTRAIN_EMULATOR_FIBER_H_
