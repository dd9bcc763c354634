// QT_HD marks a formula of math/: callable from C++ and from CUDA kernels. Internal linkage on
// purpose: the CPU files are compiled once per instruction set, and a formula must never be merged
// across sets by the linker.
#ifndef QUANTRAIN_MATH_HD_H_
#define QUANTRAIN_MATH_HD_H_

// Without AVX, gcc moves 8-byte vectors through MMX registers and leaves no emms behind: the caller's
// next x87 instruction (fmod, long double) would find a full register stack. Here, because every CPU
// kernel sees this file before its first formula, and inlining needs one target for both.
#if defined(QT_ISA) && defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && \
    !defined(__AVX__)
#pragma GCC target("no-mmx")
#endif

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define QT_HD static __forceinline__ __host__ __device__
#else
#define QT_HD static inline __attribute__((always_inline))
#endif

namespace qt::math {

QT_HD uint32_t FloatBits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  return bits;
}

QT_HD float BitsFloat(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof(x));
  return x;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_HD_H_
