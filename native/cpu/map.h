// Elementwise kernels with one dense output: to[k] = value(i + k). One pass over memory, in blocks of
// kBlock elements; outputs too large for the caches are streamed (stream.h) unless they are an input.
#ifndef QUANTRAIN_CPU_MAP_H_
#define QUANTRAIN_CPU_MAP_H_

#include "cpu/kernel.h"
#include "cpu/stream.h"

namespace qt::cpu::QT_ISA {

constexpr int64_t kMapChunk = 1024;

// Calls body(i, n, to) for chunks of n elements of y from i on: it writes to[0] .. to[n - 1].
template <class Body>
inline void ForChunks(qt_context& ctx, int64_t n, float* y, bool stream, Body body) {
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    ChunkOut<float, kMapChunk> chunks(stream);
    for (int64_t i = begin; i < end; i += kMapChunk) {
      const int64_t count = Min(kMapChunk, end - i);
      body(i, count, chunks.At(y + i));
      chunks.Done(y + i, count);
    }
  });
}

// y[i] = f(x[i]); y may be x.
template <class F>
inline void Map(qt_context& ctx, const float* x, float* y, int64_t n, F f) {
  ForChunks(ctx, n, y, Streams(8 * n) && x != y, [=](int64_t i, int64_t count, float* to) {
    const float* from = x + i;
#pragma omp simd
    for (int64_t k = 0; k < count; ++k) to[k] = f(from[k]);
  });
}

// y[i] = f(a[i], b[i]); y may be a or b.
template <class F>
inline void Map(qt_context& ctx, const float* a, const float* b, float* y, int64_t n, F f) {
  const bool stream = Streams(12 * n) && a != y && b != y;
  ForChunks(ctx, n, y, stream, [=](int64_t i, int64_t count, float* to) {
    const float* from_a = a + i;
    const float* from_b = b + i;
#pragma omp simd
    for (int64_t k = 0; k < count; ++k) to[k] = f(from_a[k], from_b[k]);
  });
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_MAP_H_
