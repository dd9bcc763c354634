// The context behind qt_context: number of threads, the kernel table of the chosen instruction set
// or of the CUDA library, the text of the last failure and one scratch buffer. The scratch buffer only grows, so a kernel
// that ran once at a size allocates nothing afterwards. A context belongs to one calling thread.
#ifndef QUANTRAIN_CONTEXT_H_
#define QUANTRAIN_CONTEXT_H_

#include <stdint.h>

#include "include/quantrain.h"

namespace qt {

// One function pointer per line of kernels.def.
struct KernelTable {
  const char* isa;
#define QT_KERNEL(name) qt_status (*name)(qt_context&, const qt_##name##_args&);
#include "kernels.def"
#undef QT_KERNEL
};

// The best table for this processor, and the table of a given name (null where processor or build
// lack it).
const KernelTable* BestKernels();
const KernelTable* FindKernels(const char* isa);

// What the CUDA library does for a context beside its kernels (device.h).
struct DeviceFunctions;

// Stores "format" (printf style) as the last error and returns status.
qt_status Fail(qt_context& ctx, qt_status status, const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// Scratch memory of at least `bytes`, 64-byte aligned, contents undefined; null (and the last error
// set) when out of memory. ONE area per context: a second call may move it, so a kernel asks once
// and divides it itself.
void* Scratch(qt_context& ctx, int64_t bytes);

}  // namespace qt

struct qt_context {
  int32_t threads = 1;
  const qt::KernelTable* kernels = nullptr;
  void* scratch = nullptr;
  int64_t scratch_bytes = 0;
  char error[512] = {0};
  // Set by a test that knows how large its buffers are: whether a buffer holds `bytes` from p on.
  // Argument checks then fail where it does not, so that any size can be tried.
  bool (*holds)(const void* p, int64_t bytes) = nullptr;

  // Of a CUDA context only (on_device is null on the CPU): pointers in arguments are the device's,
  // kernels go to this stream.
  const qt::DeviceFunctions* on_device = nullptr;
  int32_t device = 0;
  void* stream = nullptr;
  void* copies = nullptr;  // stream of transfers that go beside kernels
  bool owns_stream = false;
  qt_counters counters = {};
  void* workspace = nullptr;  // device memory, partial results of reductions
};

#endif  // QUANTRAIN_CONTEXT_H_
