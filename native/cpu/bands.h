// What convolutions read of their input: images cut into bands of output rows, and a buffer that
// holds what the windows of a band cover, whole rows with their padding, as values to compute with.
// It stays in a cache, and no loop over it needs to know where an image ends. Padding is smaller
// than the kernel, and windows begin inside the input.
#ifndef QUANTRAIN_CPU_BANDS_H_
#define QUANTRAIN_CPU_BANDS_H_

#include <string.h>

#include "cpu/kernel.h"

namespace qt::cpu::QT_ISA {

// As many channels of a pixel as a loop of known length takes, which is faster.
constexpr int64_t kKnownChannels = 16;

// A convolution's window with the dilation of its kernel.
struct Reach {
  qt_window w;
  int32_t dilation_h, dilation_w;

  // Input rows and columns that so many neighbours of the output need.
  int64_t Rows(int64_t p) const {
    return (p - 1) * w.stride_h + int64_t{w.kernel_h - 1} * dilation_h + 1;
  }
  int64_t Columns(int64_t q) const {
    return (q - 1) * w.stride_w + int64_t{w.kernel_w - 1} * dilation_w + 1;
  }
};

struct Bands {
  Reach reach;
  int64_t channels;   // of a pixel in the buffer
  int64_t columns;    // of a row in the buffer
  int64_t rows;       // output rows of a band, except an image's last
  int64_t per_image;  // bands

  // An output, at least one pixel, with bands of at most so many rows, as equal as they can be.
  Bands(const Reach& of, int64_t buffer_channels, int64_t most_rows)
      : reach(of), channels(buffer_channels), columns(of.Columns(of.w.q)) {
    rows = DivUp(of.w.p, DivUp(of.w.p, Max(1, most_rows)));
    per_image = DivUp(of.w.p, rows);
  }

  // Output rows, at least one, for which a buffer has about so many values.
  static int64_t RowsIn(int64_t values, const Reach& reach, int64_t channels) {
    const int64_t fit = values / (reach.Columns(reach.w.q) * channels) - reach.Rows(1);
    return fit < 0 ? 1 : fit / reach.w.stride_h + 1;
  }

  int64_t Count() const { return reach.w.n * per_image; }
  int64_t RowValues() const { return columns * channels; }
  int64_t BufferValues() const { return reach.Rows(rows) * RowValues(); }
};

// One band: its place, and its values once they were filled in.
template <class Value>
struct Band {
  const Bands& of;
  int64_t image, first_row, rows;
  Value* values;

  Band(const Bands& bands, int64_t number, Value* buffer)
      : of(bands),
        image(number / bands.per_image),
        first_row(number % bands.per_image * bands.rows),
        rows(Min(bands.rows, bands.reach.w.p - first_row)),
        values(buffer) {}

  // The first pixel of the output.
  int64_t Output() const { return (image * of.reach.w.p + first_row) * of.reach.w.q; }

  // Takes `channels` of the input from the first one on; value(x) is what becomes of x.
  template <class T, class F>
  void Fill(const T* x, int64_t first_channel, int64_t channels, F value) {
    const qt_window& w = of.reach.w;
    const int64_t left = w.pad_left, inside = Min(w.w, of.columns - left);
    const int64_t right = of.columns - left - inside;
    Value* to = values;
    for (int64_t i = 0; i < of.reach.Rows(rows); ++i, to += of.RowValues()) {
      const int64_t h = first_row * w.stride_h - w.pad_top + i;
      if (h < 0 || h >= w.h) {
        Clear(to, of.RowValues());
        continue;
      }
      Clear(to, left * of.channels);
      const T* const from = x + (image * w.h + h) * w.w * w.c + first_channel;
      Value* const pixels = to + left * of.channels;
      if (of.channels == w.c) {
        Convert(from, inside * w.c, pixels, value);
      } else if (channels == kKnownChannels) {
        for (int64_t v = 0; v < inside; ++v) {
          Convert(from + v * w.c, kKnownChannels, pixels + v * of.channels, value);
        }
      } else {
        for (int64_t v = 0; v < inside; ++v) {
          Convert(from + v * w.c, channels, pixels + v * of.channels, value);
        }
      }
      Clear(pixels + inside * of.channels, right * of.channels);
    }
  }

 private:
  static void Clear(Value* to, int64_t n) {
    memset(to, 0, sizeof(Value) * static_cast<size_t>(n));
  }
  template <class T, class F>
  static void Convert(const T* x, int64_t n, Value* to, F value) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) to[j] = value(x[j]);
  }
};

// Work items cut into one part of neighbours for each thread: f(part, begin, end).
template <class F>
void ForParts(qt_context& ctx, int64_t items, int64_t least, F f) {
  ParallelBlocks(ctx, items, Max(least, DivUp(items, ctx.threads)), f);
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_BANDS_H_
