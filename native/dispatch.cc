// One line per kernel, in kernels.def. From that list: the kernels of each instruction set (QT_HAS_x
// where set x was compiled), a table per set, the choice at run time, and the exported entry points
// (null check, argument check, call).
#include <string.h>

#include "context.h"

namespace qt {

namespace cpu {
#define QT_KERNEL(name) qt_status name(qt_context&, const qt_##name##_args&);
namespace baseline {
#include "kernels.def"
}  // namespace baseline
#if defined(QT_HAS_avx2)
namespace avx2 {
#include "kernels.def"
}  // namespace avx2
#endif
#if defined(QT_HAS_avx512)
namespace avx512 {
#include "kernels.def"
}  // namespace avx512
#endif
#undef QT_KERNEL
}  // namespace cpu

// checks/: one overload per arguments struct.
#define QT_KERNEL(name) qt_status Check(qt_context&, const qt_##name##_args&);
#include "kernels.def"
#undef QT_KERNEL

namespace {

constexpr KernelTable kBaseline = {
    "baseline",
#define QT_KERNEL(name) cpu::baseline::name,
#include "kernels.def"
#undef QT_KERNEL
};

#if defined(QT_HAS_avx2)
constexpr KernelTable kAvx2 = {
    "avx2",
#define QT_KERNEL(name) cpu::avx2::name,
#include "kernels.def"
#undef QT_KERNEL
};

// Everything that x86-64-v3 lets the compiler use and that a virtual machine may hide.
bool HasAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
#endif

#if defined(QT_HAS_avx512)
constexpr KernelTable kAvx512 = {
    "avx512",
#define QT_KERNEL(name) cpu::avx512::name,
#include "kernels.def"
#undef QT_KERNEL
};

// x86-64-v4.
bool HasAvx512() {
  return HasAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

}  // namespace

const KernelTable* FindKernels(const char* isa) {
  if (strcmp(isa, "baseline") == 0) return &kBaseline;
#if defined(QT_HAS_avx2)
  if (strcmp(isa, "avx2") == 0 && HasAvx2()) return &kAvx2;
#endif
#if defined(QT_HAS_avx512)
  if (strcmp(isa, "avx512") == 0 && HasAvx512()) return &kAvx512;
#endif
  return nullptr;
}

const KernelTable* BestKernels() {
  static const KernelTable* const best = [] {
    const KernelTable* kernels = FindKernels("avx512");
    if (kernels == nullptr) kernels = FindKernels("avx2");
    return kernels != nullptr ? kernels : &kBaseline;
  }();
  return best;
}

}  // namespace qt

namespace {

// What every entry point does around its kernel. The null text is complete, so that nothing is
// formatted on success.
template <class Args>
qt_status Enter(qt_context* ctx, const Args* args, const char* null_text,
                qt_status (*qt::KernelTable::*kernel)(qt_context&, const Args&)) {
  if (ctx == nullptr) return QT_INVALID_ARGUMENT;
  if (args == nullptr) return qt::Fail(*ctx, QT_INVALID_ARGUMENT, "%s", null_text);
  const qt_status status = qt::Check(*ctx, *args);
  return status == QT_OK ? (ctx->kernels->*kernel)(*ctx, *args) : status;
}

}  // namespace

#define QT_KERNEL(name)                                                           \
  extern "C" qt_status qt_##name(qt_context* ctx, const qt_##name##_args* args) { \
    return Enter(ctx, args, "[" #name "] args: expected a struct, got null",      \
                 &qt::KernelTable::name);                                         \
  }
#include "kernels.def"
#undef QT_KERNEL
