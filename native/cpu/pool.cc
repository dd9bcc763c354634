// max_pool, average_pool and their gradients on NHWC, walked as cpu/pool.h says. Gradients: a block
// is a group of input rows, each gathering from the windows that cover it, so no two threads write
// one element.
#include "cpu/pool.h"
#include "cpu/runs.h"
#include "cpu/words.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// An index as wide as T: comparing and selecting then need no conversion.
template <class T>
struct IndexOf {
  using Type = uint8_t;
};
template <>
struct IndexOf<float> {
  using Type = int32_t;
};

template <bool kWantIndex, class T>
void MaxPool(qt_context& ctx, const T* x, T* y, uint8_t* argmax, const qt_window& w) {
  using Value = decltype(math::ToCompare(T()));
  using Index = typename IndexOf<Value>::Type;
  constexpr int64_t kMost = kWantIndex && sizeof(Value) > 1 ? 32 : 64;
  constexpr int64_t kBytes = sizeof(T);
  const int64_t row = w.q * w.c, ahead = WindowAhead<T>(w);
  const bool stream =
      Streams(kBytes * w.n * w.h * w.w * w.c + (kBytes + (kWantIndex ? 1 : 0)) * w.n * w.p * row);
  ParallelBlocks(ctx, OutputRows(w), OutputRowsPerBlock(w),
                 [=](int64_t, int64_t begin, int64_t end) {
    OutRun<T> values(y + begin * row, stream);
    OutRun<uint8_t> indices(kWantIndex ? argmax + begin * row : nullptr, stream);
    ForOutputRows(w, false, begin, end, [&](const Cells& cells) {
      ForGroups<kMost>(w.c, [&](auto group, int64_t c0) {
        constexpr int64_t kSize = decltype(group)::kSize;
        Value best[kSize];
        Index index[kSize];
        // The first cell's index stands where no cell exceeds the lowest value.
        const bool empty =
            cells.rows.first == cells.rows.last || cells.cols.first == cells.cols.last;
        const int64_t first = empty ? 0 : cells.rows.first * w.kernel_w + cells.cols.first;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) best[c] = math::Lowest<Value>();
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) index[c] = static_cast<Index>(first);
        ForCells(w, cells, [&](int64_t offset, int64_t cell) {
          const T* from = x + offset + c0;
          const Index here = static_cast<Index>(cell);
          if (kSize > 16 && ahead > 0) Prefetch(from + ahead, kSize);
#pragma omp simd
          for (int64_t c = 0; c < kSize; ++c) {
            const Value next = math::ToCompare(from[c]);
            const bool replaces = math::MaxReplaces(next, best[c]);
            best[c] = replaces ? next : best[c];
            if (kWantIndex) index[c] = replaces ? here : index[c];
          }
        });
        T* to = values.Next(kSize);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) math::StoreCompared(best[c], &to[c]);
        if (!kWantIndex) return;
        uint8_t* to_index = indices.Next(kSize);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) to_index[c] = static_cast<uint8_t>(index[c]);
      });
    });
    values.Finish();
    if (kWantIndex) indices.Finish();
  });
}

template <class T>
void MaxPool(qt_context& ctx, const qt_max_pool_args& args) {
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  if (args.argmax != nullptr) {
    MaxPool<true>(ctx, x, y, args.argmax, args.window);
  } else {
    MaxPool<false>(ctx, x, y, args.argmax, args.window);
  }
}

// An input position, and the windows that cover it.
struct Covered {
  int64_t image, h, col;
  math::Span ps, qs;
};

// Adds up, over the windows that cover an input position in their row-major order, what each gives
// to the channels from c on: kCount times one, or as many as T has.
template <int kCount, class T, class Term>
QT_HD void SumWindows(const qt_window& w, const Covered& at, int64_t c, const Term& term,
                      T (&sums)[kCount]) {
  constexpr int64_t kSize = sizeof(T) / sizeof(float);
  for (T& sum : sums) sum = T(0.0f);
  for (int64_t p = at.ps.first; p < at.ps.last; ++p) {
    const int64_t r = at.h + w.pad_top - p * w.stride_h;
    for (int64_t q = at.qs.first; q < at.qs.last; ++q) {
      const int64_t s = at.col + w.pad_left - q * w.stride_w;
      const int64_t out = ((at.image * w.p + p) * w.q + q) * w.c + c;
      const int32_t cell = static_cast<int32_t>(r * w.kernel_w + s);
      const float count = term.Count(p, q);
      for (int k = 0; k < kCount; ++k) {
        sums[k] = sums[k] + term.template At<T>(out + k * kSize, cell, count);
      }
    }
  }
}

// dx[h, w, c] from the windows that cover [h, w].
template <bool kStream, class Real, class Term>
void GatherRow(Real* dx, const qt_window& window, int64_t row, const Term& own_term) {
  const qt_window w = window;
  const Term term = own_term;
  Covered at;
  at.image = row / w.h;
  at.h = row % w.h;
  at.ps = math::OutputsCovering(at.h, w.stride_h, w.pad_top, w.kernel_h, w.p);
  for (at.col = 0; at.col < w.w; ++at.col) {
    at.qs = math::OutputsCovering(at.col, w.stride_w, w.pad_left, w.kernel_w, w.q);
    Real* const to = dx + (row * w.w + at.col) * w.c;
    int64_t c = 0;
#if QT_VECTORS
    for (; c + 4 * Vector::kSize <= w.c; c += 4 * Vector::kSize) {
      Vector sums[4];
      SumWindows(w, at, c, term, sums);
      StoreVectors<kStream>(sums, to + c);
    }
    for (; c + Vector::kSize <= w.c; c += Vector::kSize) {
      Vector sum[1];
      SumWindows(w, at, c, term, sum);
      StoreVector(sum[0], to + c);
    }
#endif
    for (; c < w.c; ++c) {
      float sum[1];
      SumWindows(w, at, c, term, sum);
      math::Narrow(sum[0], to + c);
    }
  }
}

// bytes: read and written by the call.
template <class Real, class Term>
void Gather(qt_context& ctx, Real* dx, const qt_window& w, int64_t bytes, const Term& term) {
  const int64_t rows_per_block = ItemsPerBlock(w.w * w.c);
  const int64_t input_rows = w.w * w.c == 0 ? 0 : w.n * w.h;
  const bool stream = Streams(bytes) && w.c * static_cast<int64_t>(sizeof(Real)) % 64 == 0 &&
                      reinterpret_cast<uintptr_t>(dx) % 64 == 0;
  ParallelBlocks(ctx, input_rows, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      if (stream) {
        GatherRow<true>(dx, w, row, term);
      } else {
        GatherRow<false>(dx, w, row, term);
      }
    }
  });
}

// Terms: what a window gives to its cell, from the output's element `out` on; Count is what a
// window has to know of its place.
template <class Real>
struct MaxTerm {
  const Real* dy;
  const uint8_t* argmax;

  float Count(int64_t, int64_t) const { return 0.0f; }
  template <class T>
  T At(int64_t out, int32_t cell, float) const {
    return Choose(EqualInt(LoadIntAs<T>(argmax + out), Integer<T>(cell)), LoadAs<T>(dy + out),
                  T(0.0f));
  }
};

template <class Real>
struct AverageTerm {
  const Real* dy;
  qt_window w;
  bool count_padding;

  float Count(int64_t p, int64_t q) const {
    const math::Span rows = math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
    const math::Span cols = math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
    return math::WindowCount(rows, cols, w.kernel_h, w.kernel_w, count_padding);
  }
  template <class T>
  T At(int64_t out, int32_t, float count) const {
    return LoadAs<T>(dy + out) / T(count);
  }
};

template <class Real>
void MaxPoolBackward(qt_context& ctx, const qt_max_pool_backward_args& a) {
  const qt_window& w = a.window;
  const int64_t inputs = w.n * w.h * w.w * w.c, outputs = w.n * w.p * w.q * w.c;
  const int64_t bytes = static_cast<int64_t>(sizeof(Real)) * (inputs + outputs) + outputs;
  Gather(ctx, static_cast<Real*>(a.dx), w, bytes,
         MaxTerm<Real>{static_cast<const Real*>(a.dy), a.argmax});
}

template <class Real>
void AveragePool(qt_context& ctx, const qt_average_pool_args& args) {
  const qt_window w = args.window;
  const Real* const x = static_cast<const Real*>(args.x);
  Real* const y = static_cast<Real*>(args.y);
  const bool count_padding = args.count_padding != 0;
  const int64_t ahead = WindowAhead<Real>(w);
  const bool stream =
      Streams(static_cast<int64_t>(sizeof(Real)) * w.c * w.n * (w.h * w.w + w.p * w.q));
  ParallelBlocks(ctx, OutputRows(w), OutputRowsPerBlock(w),
                 [=](int64_t, int64_t begin, int64_t end) {
    OutRun<Real> means(y + begin * w.q * w.c, stream);
    ForOutputRows(w, count_padding, begin, end, [&](const Cells& cells) {
      ForGroups(w.c, [&](auto group, int64_t c0) {
        constexpr int64_t kSize = decltype(group)::kSize;
        float sums[kSize] = {0};
        ForCells(w, cells, [&](int64_t offset, int64_t) {
          const Real* from = x + offset + c0;
          if (kSize > 16 && ahead > 0) Prefetch(from + ahead, kSize);
#pragma omp simd
          for (int64_t c = 0; c < kSize; ++c) sums[c] += math::Widen(from[c]);
        });
        Real* to = means.Next(kSize);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) math::Narrow(sums[c] / cells.count, &to[c]);
      });
    });
    means.Finish();
  });
}

template <class Real>
void AveragePoolBackward(qt_context& ctx, const qt_average_pool_backward_args& a) {
  const qt_window& w = a.window;
  const int64_t bytes =
      static_cast<int64_t>(sizeof(Real)) * w.c * w.n * (w.h * w.w + w.p * w.q);
  Gather(ctx, static_cast<Real*>(a.dx), w, bytes,
         AverageTerm<Real>{static_cast<const Real*>(a.dy), w, a.count_padding != 0});
}

}  // namespace

qt_status max_pool(qt_context& ctx, const qt_max_pool_args& args) {
  if (args.element_type == QT_ELEMENT_F32) {
    MaxPool<float>(ctx, args);
  } else if (args.element_type == QT_ELEMENT_BF16) {
    MaxPool<math::Bf16>(ctx, args);
  } else if (args.element_type == QT_ELEMENT_U8) {
    MaxPool<uint8_t>(ctx, args);
  } else {
    MaxPool<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status max_pool_backward(qt_context& ctx, const qt_max_pool_backward_args& a) {
  math::WithReal(a.element_type,
                 [&](auto* type) { MaxPoolBackward<math::Pointed<decltype(type)>>(ctx, a); });
  return QT_OK;
}

qt_status average_pool(qt_context& ctx, const qt_average_pool_args& a) {
  math::WithReal(a.element_type,
                 [&](auto* type) { AveragePool<math::Pointed<decltype(type)>>(ctx, a); });
  return QT_OK;
}

qt_status average_pool_backward(qt_context& ctx, const qt_average_pool_backward_args& a) {
  math::WithReal(a.element_type,
                 [&](auto* type) { AveragePoolBackward<math::Pointed<decltype(type)>>(ctx, a); });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
