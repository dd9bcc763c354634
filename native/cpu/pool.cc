// max_pool, average_pool and their gradients, global_pool_sum and average_pool_codes on NHWC. One
// block is a group of output rows (gradients: input rows, each gathering from the windows that
// cover it, so no two threads write one element). Channels go in groups of 64 or 16 whose running
// values stay in vector registers over the whole window. Sums go over the window in row-major
// order.
#include <math.h>

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/window.h"
#include "math/layers.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {
namespace {

template <int64_t kChannels>
struct Group {
  static constexpr int64_t kSize = kChannels;
};

// Calls f(Group<n>, c) for groups of n channels from c that cover [0, channels).
template <class F>
inline void ForGroups(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + 64 <= channels; c += 64) f(Group<64>(), c);
  for (; c + 16 <= channels; c += 16) f(Group<16>(), c);
  for (; c < channels; ++c) f(Group<1>(), c);
}

// One output position: its window's cells inside the input, and where they are.
struct Cells {
  Span rows, cols;
  int64_t origin;  // element offset of cell [0, 0], channel 0, even where that lies in the padding
  int64_t out;     // element offset of the output, channel 0
  float count;     // divisor of a mean
};

inline float CellCount(const qt_window& w, Span rows, Span cols, bool count_padding) {
  if (count_padding) return static_cast<float>(w.kernel_h) * static_cast<float>(w.kernel_w);
  // A window that lies wholly in the padding has the mean 0.
  return static_cast<float>(Max(1, (rows.last - rows.first) * (cols.last - cols.first)));
}

// Calls f(cells) for every output position.
template <class F>
void ForOutputs(qt_context& ctx, const qt_window& w, bool count_padding, F f) {
  const int64_t rows_per_block = ItemsPerBlock(w.q * w.c * w.kernel_h);
  ParallelBlocks(ctx, w.n * w.p, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / w.p;
      const int64_t p = row % w.p;
      const int64_t top = image * w.h + p * w.stride_h - w.pad_top;
      Cells cells;
      cells.rows = CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
      for (int64_t q = 0; q < w.q; ++q) {
        cells.cols = CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
        cells.origin = (top * w.w + q * w.stride_w - w.pad_left) * w.c;
        cells.out = (row * w.q + q) * w.c;
        cells.count = CellCount(w, cells.rows, cells.cols, count_padding);
        f(cells);
      }
    }
  });
}

// Calls f(element offset, index in the window) for the cells inside the input, row-major.
template <class F>
inline void ForCells(const qt_window& w, const Cells& cells, F f) {
  for (int64_t r = cells.rows.first; r < cells.rows.last; ++r) {
    for (int64_t s = cells.cols.first; s < cells.cols.last; ++s) {
      f(cells.origin + (r * w.w + s) * w.c, r * w.kernel_w + s);
    }
  }
}

// What a window without any cell inside the input holds.
template <class T>
constexpr T Lowest() {
  return static_cast<T>(-1) > 0 ? static_cast<T>(0) : static_cast<T>(-128);
}
template <>
constexpr float Lowest<float>() {
  return -HUGE_VALF;
}

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
      for (int64_t c = 0; c < kSize; ++c) best[c] = Lowest<T>();
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
  ParallelBlocks(ctx, w.n * w.h, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / w.h;
      const int64_t h = row % w.h;
      const Span ps = OutputsCovering(h, w.stride_h, w.pad_top, w.kernel_h, w.p);
      for (int64_t col = 0; col < w.w; ++col) {
        const Span qs = OutputsCovering(col, w.stride_w, w.pad_left, w.kernel_w, w.q);
        float* to = dx + (row * w.w + col) * w.c;
        bool first = true;
        for (int64_t p = ps.first; p < ps.last; ++p) {
          const Span rows = CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
          const int64_t r = h + w.pad_top - p * w.stride_h;
          for (int64_t q = qs.first; q < qs.last; ++q) {
            const Span cols = CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
            const int64_t s = col + w.pad_left - q * w.stride_w;
            const int64_t out = ((image * w.p + p) * w.q + q) * w.c;
            const int32_t cell = static_cast<int32_t>(r * w.kernel_w + s);
            const float count = CellCount(w, rows, cols, count_padding);
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

template <class T>
void GlobalPoolSum(qt_context& ctx, const qt_global_pool_sum_args& args) {
  const T* x = static_cast<const T*>(args.x);
  int32_t* acc = args.acc;
  const int64_t pixels = args.hw;
  const int64_t channels = args.c;
  const int32_t offset = static_cast<int32_t>(pixels) * *args.zero_point;
  const int64_t images_per_block = ItemsPerBlock(pixels * channels);
  ParallelBlocks(ctx, args.n, images_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      ForGroups(channels, [&](auto group, int64_t c0) {
        constexpr int64_t kSize = decltype(group)::kSize;
        int32_t sums[kSize] = {0};
        const T* pixel = x + image * pixels * channels + c0;
        for (int64_t i = 0; i < pixels; ++i, pixel += channels) {
#pragma omp simd
          for (int64_t c = 0; c < kSize; ++c) sums[c] += pixel[c];
        }
        int32_t* to = acc + image * channels + c0;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) to[c] = sums[c] - offset;
      });
    }
  });
}

template <class T>
qt_status AveragePoolCodes(qt_context& ctx, const qt_average_pool_codes_args& args) {
  const qt_window w = args.window;
  const int64_t elements = w.n * w.p * w.q * w.c;
  // Rows whose size is no multiple of 8 share mask bytes, so the flags are packed after the
  // pooling.
  uint8_t* flags = ScratchArray<uint8_t>(ctx, elements);
  if (flags == nullptr) return QT_OUT_OF_MEMORY;
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  const float x_scale = *args.x_scale, x_zero_point = static_cast<float>(*args.x_zero_point);
  const float y_scale = *args.y_scale, y_zero_point = static_cast<float>(*args.y_zero_point);
  const float qmin = static_cast<float>(args.qmin), qmax = static_cast<float>(args.qmax);
  ForOutputs(ctx, w, args.count_padding != 0, [=](const Cells& cells) {
    ForGroups(w.c, [&](auto group, int64_t c0) {
      constexpr int64_t kSize = decltype(group)::kSize;
      float sums[kSize] = {0};
      ForCells(w, cells, [&](int64_t offset, int64_t) {
        const T* from = x + offset + c0;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) {
          sums[c] += math::Dequantize(static_cast<float>(from[c]), x_scale, x_zero_point);
        }
      });
      float levels[kSize];
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) {
        levels[c] = math::AveragePoolLevel(sums[c], cells.count, y_scale, y_zero_point);
      }
      uint8_t* flag = flags + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) flag[c] = math::InRange(levels[c], qmin, qmax) ? 1 : 0;
      T* to = y + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) {
        to[c] = static_cast<T>(static_cast<int32_t>(math::AveragePoolCode(levels[c], qmin, qmax)));
      }
    });
  });
  uint8_t* mask = args.mask;
  if (mask == nullptr) return QT_OK;
  ParallelBlocks(ctx, elements, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    PackMask(flags + begin, end - begin, mask + begin / 8);
  });
  return QT_OK;
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

qt_status global_pool_sum(qt_context& ctx, const qt_global_pool_sum_args& args) {
  if (args.code_type == QT_U8) {
    GlobalPoolSum<uint8_t>(ctx, args);
  } else {
    GlobalPoolSum<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status average_pool_codes(qt_context& ctx, const qt_average_pool_codes_args& args) {
  return args.code_type == QT_U8 ? AveragePoolCodes<uint8_t>(ctx, args)
                                 : AveragePoolCodes<int8_t>(ctx, args);
}

}  // namespace qt::cpu::QT_ISA
