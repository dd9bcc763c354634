// Binary weights: the mean magnitude of a channel, then its signs. A channel is summed in parts of
// kBlock elements that are combined pairwise, so the sum has one order whatever the threads; a
// channel of one part is read from memory once.
#include "cpu/kernel.h"
#include "cpu/runs.h"
#include "math/quantize.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Real>
inline double SumMagnitudes(const Real* w, int64_t n) {
  return SumFixed(n, [=](int64_t i) { return math::Magnitude(math::Widen(w[i])); });
}

template <class Real, class Scale>
inline void Signs(const Real* w, int64_t n, Scale scale, Real* y, int8_t* codes, bool stream) {
  ChunkOut<Real, kChunk> y_chunks(stream);
  ChunkOut<int8_t, kChunk> code_chunks(stream);
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = Min(n - i, kChunk);
    const Real* in = w + i;
    // Codes first: y may be w.
    if (codes != nullptr) {
      int8_t* to = code_chunks.At(codes + i);
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) math::StoreCode(math::Sign(math::Widen(in[k])), &to[k]);
      code_chunks.Done(codes + i, count);
    }
    if (y != nullptr) {
      Real* to = y_chunks.At(y + i);
#pragma omp simd
      for (int64_t k = 0; k < count; ++k) {
        math::Narrow(math::Sign(math::Widen(in[k])) * scale[i + k], &to[k]);
      }
      y_chunks.Done(y + i, count);
    }
  }
}

template <class Real>
qt_status BinaryWeight(qt_context& ctx, const qt_binary_weight_args& args) {
  const qt_binary_weight_args a = args;
  const Real* w = static_cast<const Real*>(a.w);
  Real* y = static_cast<Real*>(a.y);
  const int64_t inner = a.inner, parts = Max(1, DivUp(inner, kBlock));
  const int64_t written =
      (y != nullptr ? static_cast<int64_t>(sizeof(Real)) : 0) + (a.codes != nullptr ? 1 : 0);
  const bool stream =
      Streams(a.channels * inner * (static_cast<int64_t>(sizeof(Real)) + written)) && w != y;
  const auto signs = [=](int64_t c, int64_t begin, int64_t n) {
    const int64_t at = c * inner + begin;
    Signs(w + at, n, Same{a.scale[c]}, y == nullptr ? nullptr : y + at,
          a.codes == nullptr ? nullptr : a.codes + at, stream);
  };
  if (inner > 0 && inner <= 64) {  // as many channels as a chunk holds, with a scale per element
    const int64_t per_chunk = kChunk / inner;
    ParallelBlocks(ctx, a.channels, 16 * per_chunk, [=](int64_t, int64_t first, int64_t last) {
      float scales[kChunk];
      for (int64_t c = first; c < last; c += per_chunk) {
        const int64_t stop = Min(last, c + per_chunk), at = c * inner;
        float* to = scales;
        for (int64_t k = c; k < stop; ++k, to += inner) {
          const float scale = math::MeanMagnitude(SumMagnitudes(w + k * inner, inner), inner);
          a.scale[k] = scale;
          for (int64_t i = 0; i < inner; ++i) to[i] = scale;
        }
        Signs(w + at, (stop - c) * inner, Each{scales}, y == nullptr ? nullptr : y + at,
              a.codes == nullptr ? nullptr : a.codes + at, stream);
      }
    });
    return QT_OK;
  }
  if (parts == 1) {
    ParallelParts(ctx, a.channels, inner, [=](int64_t c, int64_t begin, int64_t n) {
      a.scale[c] = math::MeanMagnitude(SumMagnitudes(w + c * inner, n), n);
      signs(c, begin, n);
    });
    return QT_OK;
  }
  double* const sums = ScratchArray<double>(ctx, a.channels * parts);
  if (sums == nullptr) return QT_OUT_OF_MEMORY;
  ParallelParts(ctx, a.channels, inner, [=](int64_t c, int64_t begin, int64_t n) {
    sums[c * parts + begin / kBlock] = SumMagnitudes(w + c * inner + begin, n);
  });
  for (int64_t c = 0; c < a.channels; ++c) {
    CombinePairwise(sums + c * parts, parts, 1, [](double p, double q) { return p + q; });
    a.scale[c] = math::MeanMagnitude(sums[c * parts], inner);
  }
  ParallelParts(ctx, a.channels, inner, signs);
  return QT_OK;
}

}  // namespace

qt_status binary_weight(qt_context& ctx, const qt_binary_weight_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return BinaryWeight<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
