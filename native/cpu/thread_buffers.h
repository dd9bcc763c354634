// A buffer for each thread of ParallelBlocks. The number of a thread is that among the threads of the
// call: where the caller runs in a parallel region of its own and the call takes one thread,
// omp_get_thread_num() would be the caller's number there.
#ifndef QUANTRAIN_CPU_THREAD_BUFFERS_H_
#define QUANTRAIN_CPU_THREAD_BUFFERS_H_

#include <omp.h>

#include "cpu/kernel.h"

namespace qt::cpu::QT_ISA {

// Made before ParallelBlocks, of memory for ctx.threads buffers of `size` elements.
template <class T>
class ThreadBuffers {
 public:
  ThreadBuffers(T* memory, int64_t size)
      : memory_(memory), size_(size), level_(omp_get_level() + 1) {}
  // That of the calling thread.
  T* Own() const {
    const int thread = omp_get_ancestor_thread_num(level_);  // -1 where no region was opened
    return memory_ + Max(0, thread) * size_;
  }

 private:
  T* memory_;
  int64_t size_;
  int level_;
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_THREAD_BUFFERS_H_
