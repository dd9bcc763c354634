// Elementwise kernels with one dense output: to[k] = value(i + k). One pass over memory, in blocks of
// kBlock elements; outputs too large for the caches are streamed (stream.h) unless they are an input.
#ifndef QUANTRAIN_CPU_MAP_H_
#define QUANTRAIN_CPU_MAP_H_

#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {

constexpr int64_t kMapChunk = 1024;

// Calls body(i, n, to) for chunks of n elements of y from i on: it writes to[0] .. to[n - 1].
template <class Real, class Body>
inline void ForChunks(qt_context& ctx, int64_t n, Real* y, bool stream, Body body) {
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    ChunkOut<Real, kMapChunk> chunks(stream);
    for (int64_t i = begin; i < end; i += kMapChunk) {
      const int64_t count = Min(kMapChunk, end - i);
      body(i, count, chunks.At(y + i));
      chunks.Done(y + i, count);
    }
  });
}

// y[i] = f(x[i]), real tensors of one type; y may be x.
template <class F>
inline void Map(qt_context& ctx, int64_t n, int32_t element_type, const void* x, void* y, F f) {
  math::WithReal(element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    constexpr int64_t kBytes = sizeof(Real);
    const Real* const all_x = static_cast<const Real*>(x);
    const bool stream = Streams(2 * kBytes * n) && x != y;
    ForChunks(ctx, n, static_cast<Real*>(y), stream, [=](int64_t i, int64_t count, Real* to) {
      const Real* from = all_x + i;
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) math::Narrow(f(math::Widen(from[k])), &to[k]);
    });
  });
}

// y[i] = f(a[i], b[i]), real tensors of one type; y may be a or b.
template <class F>
inline void Map(qt_context& ctx, int64_t n, int32_t element_type, const void* a, const void* b,
                void* y, F f) {
  math::WithReal(element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    constexpr int64_t kBytes = sizeof(Real);
    const Real* const all_a = static_cast<const Real*>(a);
    const Real* const all_b = static_cast<const Real*>(b);
    const bool stream = Streams(3 * kBytes * n) && a != y && b != y;
    ForChunks(ctx, n, static_cast<Real*>(y), stream, [=](int64_t i, int64_t count, Real* to) {
      const Real* from_a = all_a + i;
      const Real* from_b = all_b + i;
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) {
        math::Narrow(f(math::Widen(from_a[k]), math::Widen(from_b[k])), &to[k]);
      }
    });
  });
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_MAP_H_
