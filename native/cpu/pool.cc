// max_pool, average_pool and their gradients on NHWC, walked as cpu/pool.h says. Gradients: a block
// is a group of input rows, each gathering from the windows that cover it, so no two threads write
// one element.
#include "cpu/pool.h"
#include "math/layers.h"

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
  using Index = typename IndexOf<T>::Type;
  ForOutputs(ctx, w, false, [=](const Cells& cells) {
    ForGroups(w.c, [&](auto group, int64_t c0) {
      constexpr int64_t kSize = decltype(group)::kSize;
      T best[kSize];
      Index index[kSize];
      // The first cell's index stands where no cell exceeds the lowest value.
      const bool empty = cells.rows.first == cells.rows.last || cells.cols.first == cells.cols.last;
      const int64_t first = empty ? 0 : cells.rows.first * w.kernel_w + cells.cols.first;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) best[c] = math::Lowest<T>();
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) index[c] = static_cast<Index>(first);
      ForCells(w, cells, [&](int64_t offset, int64_t cell) {
        const T* from = x + offset + c0;
        const Index here = static_cast<Index>(cell);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) {
          const bool replaces = math::MaxReplaces(from[c], best[c]);
          best[c] = replaces ? from[c] : best[c];
          if (kWantIndex) index[c] = replaces ? here : index[c];
        }
      });
      T* to = y + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) to[c] = best[c];
      if (!kWantIndex) return;
      uint8_t* indices = argmax + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) indices[c] = static_cast<uint8_t>(index[c]);
    });
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

// dx[h, w, c] = sum of term(element offset in dy, index in the window, divisor) over the windows
// that cover [h, w], in row-major order of the windows.
template <class Term>
void Gather(qt_context& ctx, float* dx, const qt_window& w, bool count_padding, Term term) {
  const int64_t rows_per_block = ItemsPerBlock(w.w * w.c);
  const int64_t input_rows = w.w * w.c == 0 ? 0 : w.n * w.h;
  ParallelBlocks(ctx, input_rows, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / w.h;
      const int64_t h = row % w.h;
      const math::Span ps = math::OutputsCovering(h, w.stride_h, w.pad_top, w.kernel_h, w.p);
      for (int64_t col = 0; col < w.w; ++col) {
        const math::Span qs = math::OutputsCovering(col, w.stride_w, w.pad_left, w.kernel_w, w.q);
        float* to = dx + (row * w.w + col) * w.c;
        bool first = true;
        for (int64_t p = ps.first; p < ps.last; ++p) {
          const math::Span rows = math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
          const int64_t r = h + w.pad_top - p * w.stride_h;
          for (int64_t q = qs.first; q < qs.last; ++q) {
            const math::Span cols = math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
            const int64_t s = col + w.pad_left - q * w.stride_w;
            const int64_t out = ((image * w.p + p) * w.q + q) * w.c;
            const int32_t cell = static_cast<int32_t>(r * w.kernel_w + s);
            const float count =
                math::WindowCount(rows, cols, w.kernel_h, w.kernel_w, count_padding);
            if (first) {
#pragma omp simd
              for (int64_t c = 0; c < w.c; ++c) to[c] = 0.0f + term(out + c, cell, count);
            } else {
#pragma omp simd
              for (int64_t c = 0; c < w.c; ++c) to[c] += term(out + c, cell, count);
            }
            first = false;
          }
        }
        for (int64_t c = 0; first && c < w.c; ++c) to[c] = 0.0f;
      }
    }
  });
}

}  // namespace

qt_status max_pool(qt_context& ctx, const qt_max_pool_args& args) {
  if (args.element_type == QT_ELEMENT_F32) {
    MaxPool<float>(ctx, args);
  } else if (args.element_type == QT_ELEMENT_U8) {
    MaxPool<uint8_t>(ctx, args);
  } else {
    MaxPool<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status max_pool_backward(qt_context& ctx, const qt_max_pool_backward_args& args) {
  const float* dy = args.dy;
  const uint8_t* argmax = args.argmax;
  Gather(ctx, args.dx, args.window, false,
         [=](int64_t out, int32_t cell, float) { return argmax[out] == cell ? dy[out] : 0.0f; });
  return QT_OK;
}

qt_status average_pool(qt_context& ctx, const qt_average_pool_args& args) {
  const qt_window w = args.window;
  const float* x = args.x;
  float* y = args.y;
  ForOutputs(ctx, w, args.count_padding != 0, [=](const Cells& cells) {
    ForGroups(w.c, [&](auto group, int64_t c0) {
      constexpr int64_t kSize = decltype(group)::kSize;
      float sums[kSize] = {0};
      ForCells(w, cells, [&](int64_t offset, int64_t) {
        const float* from = x + offset + c0;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) sums[c] += from[c];
      });
      float* to = y + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) to[c] = sums[c] / cells.count;
    });
  });
  return QT_OK;
}

qt_status average_pool_backward(qt_context& ctx, const qt_average_pool_backward_args& args) {
  const float* dy = args.dy;
  Gather(ctx, args.dx, args.window, args.count_padding != 0,
         [=](int64_t out, int32_t, float count) { return dy[out] / count; });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
