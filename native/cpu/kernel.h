// What every CPU kernel file includes. The files of cpu/ are compiled once per instruction set with
// QT_ISA set to baseline, avx2 or avx512, so everything here lives in namespace qt::cpu::QT_ISA:
// nothing compiled for one set may be merged with the same function of another (keep std::
// templates out of kernels for the same reason).
//
// Decomposition. Work is cut into blocks of a fixed size that depends on shapes only, never on the
// number of threads; partial results are stored per block and combined pairwise in block order. So
// float sums have the same bits for any thread count.
#ifndef QUANTRAIN_CPU_KERNEL_H_
#define QUANTRAIN_CPU_KERNEL_H_

#include <stdint.h>

#include "context.h"
#include "include/quantrain.h"
#include "math/hd.h"

// After math/hd.h, which sets the target that the intrinsics must match.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef QT_ISA
#error "compile with -DQT_ISA=baseline, avx2 or avx512"
#endif

namespace qt::cpu::QT_ISA {

#define QT_KERNEL(name) qt_status name(qt_context& ctx, const qt_##name##_args& args);
#include "kernels.def"
#undef QT_KERNEL

// Elements per block of an elementwise kernel: 64 KiB of floats, a multiple of 64, so that two
// blocks never share a byte of a mask and a block of codes never shares a cache line.
constexpr int64_t kBlock = 16384;

inline int64_t Min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t Max(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t DivUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Rows per block of a [rows, width] kernel: about kBlock elements, a multiple of 64 rows (mask
// bytes are never shared; per-block partials of `width` values stay below 1/64 of the input).
inline int64_t RowsPerBlock(int64_t width) {
  return DivUp(Max(1, kBlock / Max(1, width)), 64) * 64;
}

// Outer items (channels, images) per block when each has `inner` elements; no alignment promise.
inline int64_t ItemsPerBlock(int64_t inner) { return Max(1, kBlock / Max(1, inner)); }

// Orders the non-temporal stores (stream.h) of this thread before whatever it does next.
inline void StreamFence() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Calls f(block, begin, end) for each block of [0, n); blocks of one thread are neighbours. One
// block (small work) opens no parallel region. f must not depend on the order of blocks.
template <class F>
inline void ParallelBlocks(qt_context& ctx, int64_t n, int64_t block, F f) {
  const int64_t blocks = DivUp(n, block);
  const int threads = static_cast<int>(Min(ctx.threads, blocks));
  if (threads <= 1) {
    for (int64_t b = 0; b < blocks; ++b) f(b, b * block, Min(n, (b + 1) * block));
    StreamFence();
    return;
  }
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static) nowait
    for (int64_t b = 0; b < blocks; ++b) f(b, b * block, Min(n, (b + 1) * block));
    StreamFence();
  }
}

// Calls f(channel, begin, n) for the elements [begin, begin + n) of every channel of a [channels,
// inner] tensor: whole channels, or parts of kBlock elements of a longer one.
template <class F>
inline void ParallelParts(qt_context& ctx, int64_t channels, int64_t inner, F f) {
  if (inner <= kBlock) {
    ParallelBlocks(ctx, channels, ItemsPerBlock(inner), [=](int64_t, int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) f(c, int64_t{0}, inner);
    });
    return;
  }
  const int64_t parts = DivUp(inner, kBlock);
  ParallelBlocks(ctx, channels * parts, 1, [=](int64_t item, int64_t, int64_t) {
    const int64_t begin = item % parts * kBlock;
    f(item / parts, begin, Min(kBlock, inner - begin));
  });
}

// Scratch memory for `count` objects of T; null when out of memory (return QT_OUT_OF_MEMORY then;
// the text is set). One area per context: ask once per kernel call.
template <class T>
inline T* ScratchArray(qt_context& ctx, int64_t count) {
  return static_cast<T*>(Scratch(ctx, count * static_cast<int64_t>(sizeof(T))));
}

// Combines partials[count][width] into partials[0][...] as a fixed binary tree over neighbours:
// ((p0 + p1) + (p2 + p3)) + ... ; combine(a, b) returns the combined value.
template <class T, class Combine>
inline void CombinePairwise(T* partials, int64_t count, int64_t width, Combine combine) {
  for (int64_t stride = 1; stride < count; stride *= 2) {
    for (int64_t i = 0; i + stride < count; i += 2 * stride) {
      T* a = partials + i * width;
      const T* b = partials + (i + stride) * width;
      for (int64_t c = 0; c < width; ++c) a[c] = combine(a[c], b[c]);
    }
  }
}

// A sum in 16 lanes of double, combined in order: one order of summation per length. What is added
// before the last call is a multiple of 16 numbers.
class FixedSum {
 public:
  // Adds value(0) .. value(n - 1).
  template <class Value>
  void Add(int64_t n, Value value) {
    double* const sums = sums_;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
#pragma omp simd
      for (int64_t j = 0; j < kLanes; ++j) sums[j] += static_cast<double>(value(i + j));
    }
    for (int64_t j = 0; i + j < n; ++j) sums[j] += static_cast<double>(value(i + j));
  }
  double Total() {
    CombinePairwise(sums_, kLanes, 1, [](double a, double b) { return a + b; });
    return sums_[0];
  }

 private:
  static constexpr int64_t kLanes = 16;
  double sums_[kLanes] = {0.0};
};

// sum of value(0) .. value(n - 1).
template <class Value>
inline double SumFixed(int64_t n, Value value) {
  FixedSum sum;
  sum.Add(n, value);
  return sum.Total();
}

struct TwoSums {
  double one, two;
};

// Both sums in one pass, each with the bits of SumFixed.
template <class One, class Two>
inline TwoSums SumFixedTwo(int64_t n, One one, Two two) {
  constexpr int64_t kStep = 16;
  FixedSum first, second;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    first.Add(kStep, [=](int64_t j) { return one(i + j); });
    second.Add(kStep, [=](int64_t j) { return two(i + j); });
  }
  first.Add(n - i, [=](int64_t j) { return one(i + j); });
  second.Add(n - i, [=](int64_t j) { return two(i + j); });
  return {first.Total(), second.Total()};
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_KERNEL_H_
