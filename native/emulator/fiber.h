// A second stack to run on, switched to by hand: saving the registers that a call must keep takes a
// few instructions where swapcontext, which serves other processors, asks the system twice.
// AddressSanitizer is told of every switch; it looks up each access in what it knows of the stack.
#ifndef QUANTRAIN_EMULATOR_FIBER_H_
#define QUANTRAIN_EMULATOR_FIBER_H_

#include <stddef.h>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulator {

#if defined(__x86_64__)

// Pushes the registers that a call must keep, leaves the stack pointer in *from and goes on with
// the stack `to`, which ended the same way.
extern "C" void emulator_switch_stack(void** from, void* to);

class Registers {
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
  // Saves the running registers here and goes on with others.
  void SwitchTo(Registers* other) { emulator_switch_stack(&stack_pointer_, other->stack_pointer_); }

 private:
  void* stack_pointer_ = nullptr;
};

#else

class Registers {
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
  void SwitchTo(Registers* other) { swapcontext(&context_, &other->context_); }

 private:
  ucontext_t context_;
};

#endif

#if defined(__SANITIZE_ADDRESS__)

// What AddressSanitizer has to know of a stack.
class StackNotice {
 public:
  // The stack may hold marks of a run that never returned.
  void Start(const char* stack, size_t bytes) {
    __asan_unpoison_memory_region(stack, bytes);
    begin_ = stack;
    bytes_ = bytes;
  }
  void Leave(const StackNotice& to) { __sanitizer_start_switch_fiber(&fake_, to.begin_, to.bytes_); }
  void LeaveForGood(const StackNotice& to) {
    __sanitizer_start_switch_fiber(nullptr, to.begin_, to.bytes_);
  }
  void ComeBack() { __sanitizer_finish_switch_fiber(fake_, nullptr, nullptr); }
  void Arrive(StackNotice* from) {
    __sanitizer_finish_switch_fiber(nullptr, &from->begin_, &from->bytes_);
  }

 private:
  const void* begin_ = nullptr;
  size_t bytes_ = 0;
  void* fake_ = nullptr;  // where variables live whose use after a return is looked for
};

#else

class StackNotice {
 public:
  void Start(const char*, size_t) {}
  void Leave(const StackNotice&) {}
  void LeaveForGood(const StackNotice&) {}
  void ComeBack() {}
  void Arrive(StackNotice*) {}
};

#endif

class Context {
 public:
  // Begins with entry, which must call Arrive first and never return.
  void Start(char* stack, size_t bytes, void (*entry)()) {
    notice_.Start(stack, bytes);
    registers_.Start(stack, bytes, entry);
  }
  // Saves the running context here and goes on with another.
  void SwitchTo(Context* other) {
    notice_.Leave(other->notice_);
    registers_.SwitchTo(&other->registers_);
    notice_.ComeBack();
  }
  // The same from a context that is not switched to again.
  void EndWith(Context* other) {
    notice_.LeaveForGood(other->notice_);
    registers_.SwitchTo(&other->registers_);
  }
  // On a stack that has just been switched to for the first time; `from` was left.
  void Arrive(Context* from) { notice_.Arrive(&from->notice_); }

 private:
  Registers registers_;
  StackNotice notice_;
};

}  // namespace emulator

#endif  // QUANTRAIN_EMULATOR_FIBER_H_
