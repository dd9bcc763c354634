// N2UQ. An element finds its segment by comparing with every threshold where they are few, else by
// halving, which gathers; a vector of elements at a time. The gradients of the
// intervals are sums per segment: every block of elements has bins of its own, in kCopies copies so
// that neighbours in one segment do not wait for each other; copies, then blocks are combined
// pairwise.
#include <math.h>
#include <string.h>

#include "math/n2uq.h"

#include "cpu/learned.h"  // after its formulas
#include "cpu/runs.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kCopies = 4;

// With an infinity behind the last entry: nothing is above it.
struct Tables {
  int32_t segments;
  float begin[math::kN2uqMostEntries + 1];
  float threshold[math::kN2uqMostEntries];
  float interval[math::kN2uqMostEntries];
};

template <class Args>
void Fill(const Args& a, Tables* t) {
  t->segments = (1 << a.bits) - 1;
  float at = *a.start;
  for (int32_t i = 0; i < t->segments; ++i) {
    t->begin[i] = at;
    t->interval[i] = math::N2uqInterval(a.intervals[i]);
    t->threshold[i] = math::N2uqThreshold(at, t->interval[i]);
    at += t->interval[i];
  }
  t->begin[t->segments] = at;
  t->begin[t->segments + 1] = HUGE_VALF;
  t->threshold[t->segments] = HUGE_VALF;
}

// below[i] = how many of sorted[0 .. 2^bits - 2] lie below u[i]; sorted[2^bits - 1] is infinite.
void Locate(const float* sorted, int32_t bits, const float* u, int64_t n, int32_t* below) {
  constexpr int32_t kFew = 6;  // bits up to which comparing with all is faster
  memset(below, 0, sizeof(int32_t) * n);
  if (bits <= kFew) {
    for (int32_t k = 0; k < 1 << bits; k += 4) {
      const float a = sorted[k], b = sorted[k + 1], c = sorted[k + 2], d = sorted[k + 3];
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) {
        below[i] += (u[i] > a ? 1 : 0) + (u[i] > b ? 1 : 0) + (u[i] > c ? 1 : 0) +
                    (u[i] > d ? 1 : 0);
      }
    }
    return;
  }
  for (int32_t half = 1 << (bits - 1); half > 0; half /= 2) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) below[i] = math::CountBelow(sorted, below[i], half, u[i]);
  }
}

template <class T>
void ScaleInput(const T* x, int64_t n, float in_scale, float* u) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) u[i] = math::Widen(x[i]) * in_scale;
}

template <class T>
qt_status Forward(qt_context& ctx, const qt_n2uq_args& a) {
  Tables tables;
  Fill(a, &tables);
  const Tables& t = tables;
  const T* x = static_cast<const T*>(a.x);
  const float in_scale = *a.in_scale, scale = *a.out_scale, step = math::N2uqStep(t.segments);
  const ChannelGrid one = {1, 1, a.n, nullptr, nullptr};
  const int32_t bits = a.bits;
  return ForEachRun<false, false>(
      ctx, one, static_cast<T*>(a.y), nullptr, a.n * 2 * static_cast<int64_t>(sizeof(T)),
      a.x == a.y, [=, &t](int64_t begin, int64_t n, T* to, int32_t*, auto, auto) {
        float u[kChunk];
        int32_t codes[kChunk];
        ScaleInput(x + begin, n, in_scale, u);
        Locate(t.threshold, bits, u, n, codes);
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          math::Narrow(scale * (static_cast<float>(codes[i]) * step), to + i);
        }
      });
}

// Sums over the elements of a block: bins[2 * segment] slopes, [2 * segment + 1] moments, then
// gradients of in_scale and out_scale.
struct Bins {
  float of[kCopies][2 * math::kN2uqMostEntries];
  float in_scale[16], out_scale[16];
};

template <class T>
void BlockBackward(const qt_n2uq_backward_args& a, const Tables& t, int64_t begin, int64_t end,
                   bool stream, Bins* bins) {
  const float in_scale = *a.in_scale, out_scale = *a.out_scale, start = *a.start;
  const float step = math::N2uqStep(t.segments);
  const int32_t segments = t.segments;
  const float* const begins = t.begin;
  const float* const intervals = t.interval;
  T* const dx = static_cast<T*>(a.dx);
  ChunkOut<T, kChunk> chunks(stream);
  float u[kChunk], slope[kChunk], moment[kChunk], by_in[kChunk], by_out[kChunk];
  int32_t segment[kChunk];
  for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
    const int64_t n = Min(kChunk, end - chunk);
    const T* x = static_cast<const T*>(a.x) + chunk;
    const T* dy = static_cast<const T*>(a.dy) + chunk;
    T* to = chunks.At(dx + chunk);
    ScaleInput(x, n, in_scale, u);
    Locate(begins + 1, a.bits, u, n, segment);
    const auto one = [&](int64_t i) {
      const int32_t at = segment[i] < segments ? segment[i] : segments - 1;
      const math::N2uqTerms terms =
          math::N2uqGradient(math::Widen(x[i]), u[i], math::Widen(dy[i]), segment[i], segments,
                             start, begins[at], intervals[at], step, out_scale);
      slope[i] = terms.slope;
      moment[i] = terms.moment;
      by_in[i] = terms.input;
      by_out[i] = terms.output;
      segment[i] = at;
    };
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) one(i);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) math::Narrow(slope[i] * in_scale, to + i);
    chunks.Done(dx + chunk, n);
    for (int64_t i = 0; i < n; ++i) {
      float* bin = bins->of[i % kCopies] + 2 * segment[i];
      bin[0] += slope[i];
      bin[1] += moment[i];
    }
    for (int64_t i = 0; i < n; i += 16) {
      const int64_t width = Min(16, n - i);
#pragma omp simd
      for (int64_t lane = 0; lane < width; ++lane) {
        bins->in_scale[lane] += by_in[i + lane];
        bins->out_scale[lane] += by_out[i + lane];
      }
    }
  }
}

template <class T>
qt_status Backward(qt_context& ctx, const qt_n2uq_backward_args& a) {
  Tables tables;
  Fill(a, &tables);
  const Tables& t = tables;
  const int64_t segments = t.segments, width = 2 * segments + 2, blocks = DivUp(a.n, kBlock);
  float* partials = ScratchArray<float>(ctx, Max(1, blocks) * width);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  memset(partials, 0, sizeof(float) * width);
  const bool stream = Streams(a.n * 3 * static_cast<int64_t>(sizeof(T))) && a.dx != a.dy;
  const auto add = [](float x, float y) { return x + y; };
  ParallelBlocks(ctx, a.n, kBlock, [=, &t](int64_t block, int64_t begin, int64_t end) {
    Bins bins;
    memset(&bins, 0, sizeof(bins));
    BlockBackward<T>(a, t, begin, end, stream, &bins);
    CombinePairwise(bins.of[0], kCopies, 2 * math::kN2uqMostEntries, add);
    CombinePairwise(bins.in_scale, 16, 1, add);
    CombinePairwise(bins.out_scale, 16, 1, add);
    float* sums = partials + block * width;
    memcpy(sums, bins.of[0], sizeof(float) * 2 * segments);
    sums[2 * segments] = bins.in_scale[0];
    sums[2 * segments + 1] = bins.out_scale[0];
  });
  CombinePairwise(partials, blocks, width, add);
  float after = 0.0f;
  for (int64_t i = segments - 1; i >= 0; --i) {
    a.dintervals[i] =
        math::N2uqIntervalGradient(a.intervals[i], t.interval[i], partials[2 * i + 1], after);
    after += partials[2 * i];
  }
  *a.dstart = -after;
  *a.din_scale = partials[2 * segments];
  *a.dout_scale = partials[2 * segments + 1];
  return QT_OK;
}

}  // namespace

qt_status n2uq(qt_context& ctx, const qt_n2uq_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Forward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status n2uq_backward(qt_context& ctx, const qt_n2uq_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Backward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status n2uq_weight(qt_context& ctx, const qt_n2uq_weight_args& a) {
  return LearnedKernel(ctx, a, nullptr, a.y);
}

}  // namespace qt::cpu::QT_ISA
