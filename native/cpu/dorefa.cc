// DoReFa: activations elementwise; weights and gradients in two passes, the maximum of every row (a
// channel of weights, a sample of gradients) and then its elements.
#include <string.h>

#include "cpu/draws.h"
#include "cpu/runs.h"
#include "math/dorefa.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// f(i, n, to) writes to[0] .. to[n - 1], the elements of out from i on, for chunks of a block.
template <class Out, class F>
void ForChunks(Out* out, int64_t begin, int64_t end, bool stream, F f) {
  ChunkOut<Out, kChunk> chunks(stream);
  for (int64_t i = begin; i < end; i += kChunk) {
    const int64_t n = Min(kChunk, end - i);
    f(i, n, chunks.At(out + i));
    chunks.Done(out + i, n);
  }
}

// out[i] = f(x[i], second[i]); second may be x.
template <class T, class F>
qt_status Elementwise(qt_context& ctx, const void* x, const void* second, void* y, int64_t n, F f) {
  const T* a = static_cast<const T*>(x);
  const T* b = static_cast<const T*>(second);
  T* out = static_cast<T*>(y);
  const int64_t tensors = x == second ? 2 : 3;
  const bool stream = Streams(n * tensors * static_cast<int64_t>(sizeof(T))) && y != x && y != second;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    ForChunks(out, begin, end, stream, [=](int64_t i, int64_t count, T* to) {
      const T* p = a + i;
      const T* q = b + i;
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) {
        math::Narrow(f(math::Widen(p[k]), math::Widen(q[k])), to + k);
      }
    });
  });
  return QT_OK;
}

// Bits of the largest |x| of every row of a [rows, inner] tensor; null when out of memory.
template <class T>
const int32_t* RowMagnitudes(qt_context& ctx, const T* x, int64_t rows, int64_t inner) {
  const int64_t parts = Max(1, DivUp(inner, kBlock));
  int32_t* partials = ScratchArray<int32_t>(ctx, rows * (parts + 1));
  if (partials == nullptr) return nullptr;
  int32_t* magnitudes = partials + rows * parts;
  memset(partials, 0, sizeof(int32_t) * rows * parts);
  ParallelParts(ctx, rows, inner, [=](int64_t row, int64_t begin, int64_t n) {
    const T* in = x + row * inner + begin;
    int32_t most = 0;
#pragma omp simd reduction(max : most)
    for (int64_t i = 0; i < n; ++i) {
      const int32_t bits = math::MagnitudeBits(math::Widen(in[i]));
      most = bits > most ? bits : most;
    }
    partials[row * parts + begin / kBlock] = most;
  });
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t* part = partials + row * parts;
    int32_t most = 0;
    for (int64_t p = 0; p < parts; ++p) most = part[p] > most ? part[p] : most;
    magnitudes[row] = most;
  }
  return magnitudes;
}

// f(row, i, n, to) for chunks of every row.
template <class Out, class F>
void ForRows(qt_context& ctx, Out* out, int64_t rows, int64_t inner, bool stream, F f) {
  ParallelParts(ctx, rows, inner, [=](int64_t row, int64_t begin, int64_t n) {
    const int64_t first = row * inner + begin;
    ForChunks(out, first, first + n, stream,
              [=](int64_t i, int64_t count, Out* to) { f(row, i, count, to); });
  });
}

template <class T>
qt_status Weight(qt_context& ctx, const qt_dorefa_weight_args& a) {
  const T* w = static_cast<const T*>(a.w);
  const int32_t* magnitudes = RowMagnitudes(ctx, w, a.channels, a.inner);
  if (magnitudes == nullptr) return QT_OUT_OF_MEMORY;
  float* max_tanh = a.max_tanh;
  for (int64_t c = 0; c < a.channels; ++c) max_tanh[c] = math::DorefaMaxTanh(magnitudes[c]);
  const float steps = math::DorefaSteps(a.bits);
  const int64_t bytes = a.channels * a.inner * 2 * static_cast<int64_t>(sizeof(T));
  ForRows(ctx, static_cast<T*>(a.y), a.channels, a.inner, Streams(bytes) && a.y != a.w,
          [=](int64_t c, int64_t i, int64_t n, T* to) {
            const T* in = w + i;
            const float max = max_tanh[c];
#pragma omp simd
            for (int64_t k = 0; k < n; ++k) {
              math::Narrow(math::DorefaWeight(math::Widen(in[k]), max, steps), to + k);
            }
          });
  return QT_OK;
}

template <class T>
qt_status WeightBackward(qt_context& ctx, const qt_dorefa_weight_backward_args& a) {
  const T* w = static_cast<const T*>(a.w);
  const T* dy = static_cast<const T*>(a.dy);
  const float* max_tanh = a.max_tanh;
  const int64_t bytes = a.channels * a.inner * 3 * static_cast<int64_t>(sizeof(T));
  ForRows(ctx, static_cast<T*>(a.dw), a.channels, a.inner, Streams(bytes) && a.dw != a.dy,
          [=](int64_t c, int64_t i, int64_t n, T* to) {
            const T* in = w + i;
            const T* g = dy + i;
            const float max = max_tanh[c];
#pragma omp simd
            for (int64_t k = 0; k < n; ++k) {
              math::Narrow(
                  math::DorefaWeightGradient(math::Widen(in[k]), math::Widen(g[k]), max), to + k);
            }
          });
  return QT_OK;
}

template <class T>
qt_status Gradient(qt_context& ctx, const qt_dorefa_gradient_args& a) {
  const T* dy = static_cast<const T*>(a.dy);
  const int32_t* magnitudes = RowMagnitudes(ctx, dy, a.samples, a.inner);
  if (magnitudes == nullptr) return QT_OUT_OF_MEMORY;
  memcpy(a.max, magnitudes, sizeof(float) * a.samples);  // bits of floats
  const float* max_of = a.max;
  const float steps = math::DorefaSteps(a.bits);
  const math::Draws draws = math::DrawsOf(a.draws);
  const int64_t bytes = a.samples * a.inner * 2 * static_cast<int64_t>(sizeof(T));
  ForRows(ctx, static_cast<T*>(a.y), a.samples, a.inner, Streams(bytes) && a.y != a.dy,
          [=](int64_t sample, int64_t i, int64_t n, T* to) {
            UnitDraws<kChunk> buffer;
            const float* u = buffer.Fill(draws, i, n);
            const T* in = dy + i;
            const float max = max_of[sample];
#pragma omp simd
            for (int64_t k = 0; k < n; ++k) {
              math::Narrow(math::DorefaGradient(math::Widen(in[k]), max, steps, u[k]), to + k);
            }
          });
  return QT_OK;
}

}  // namespace

qt_status dorefa_activation(qt_context& ctx, const qt_dorefa_activation_args& a) {
  const float steps = math::DorefaSteps(a.bits);
  return math::WithReal(a.element_type, [&](auto* type) {
    return Elementwise<math::Pointed<decltype(type)>>(
        ctx, a.x, a.x, a.y, a.n,
        [=](float x, float) { return math::DorefaActivation(x, steps); });
  });
}

qt_status dorefa_activation_backward(qt_context& ctx, const qt_dorefa_activation_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Elementwise<math::Pointed<decltype(type)>>(
        ctx, a.x, a.dy, a.dx, a.n,
        [](float x, float dy) { return math::DorefaActivationGradient(x, dy); });
  });
}

qt_status dorefa_weight(qt_context& ctx, const qt_dorefa_weight_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Weight<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status dorefa_weight_backward(qt_context& ctx, const qt_dorefa_weight_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return WeightBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status dorefa_gradient(qt_context& ctx, const qt_dorefa_gradient_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Gradient<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
