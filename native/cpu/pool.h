// How the pooling kernels walk NHWC: one block is a group of output rows; channels go in groups of
// 64 or 16 whose running values stay in vector registers over the whole window. Sums go over the
// window in row-major order.
#ifndef QUANTRAIN_CPU_POOL_H_
#define QUANTRAIN_CPU_POOL_H_

#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "math/window.h"

namespace qt::cpu::QT_ISA {

template <int64_t kChannels>
struct Group {
  static constexpr int64_t kSize = kChannels;
};

// Calls f(Group<n>, c) for groups of n channels from c that cover [0, channels). kMost: as many as
// have their running values in registers.
template <int64_t kMost = 64, class F>
inline void ForGroups(int64_t channels, F f) {
  int64_t c = 0;
  for (; c + kMost <= channels; c += kMost) f(Group<kMost>(), c);
  for (; c + 16 <= channels; c += 16) f(Group<16>(), c);
  for (; c < channels; ++c) f(Group<1>(), c);
}

// An output whose elements come in order, a group at a time: in its place, or, past the caches,
// through a buffer.
template <class T>
class OutRun {
 public:
  OutRun(T* out, bool stream) : out_(out), stream_(stream) {}
  // Where the next n elements go, n at most those of a group.
  T* Next(int64_t n) {
    if (!stream_) {
      T* const at = out_;
      out_ += n;
      return at;
    }
    if (size_ + n > kBuffer) Finish();
    T* const at = buffer_ + size_;
    size_ += n;
    return at;
  }
  void Finish() {
    StreamCopy(buffer_, out_, size_ * static_cast<int64_t>(sizeof(T)));
    out_ += size_;
    size_ = 0;
  }

 private:
  static constexpr int64_t kBuffer = 1024;
  T* out_;
  const bool stream_;
  int64_t size_ = 0;
  alignas(64) T buffer_[kBuffer];
};

// One output position: its window's cells inside the input, and where they are.
struct Cells {
  math::Span rows, cols;
  int64_t origin;  // element offset of cell [0, 0], channel 0, even where that lies in the padding
  float count;     // divisor of a mean
};

// Output rows that hold anything: however many empty ones there are, they take no time.
inline int64_t OutputRows(const qt_window& w) { return w.q * w.c == 0 ? 0 : w.n * w.p; }

// Output rows per block of a window op.
inline int64_t OutputRowsPerBlock(const qt_window& w) {
  return ItemsPerBlock(w.q * w.c * w.kernel_h);
}

// Calls f(cells) for every output position of the rows [begin, end), in order.
template <class F>
void ForOutputRows(const qt_window& w, bool count_padding, int64_t begin, int64_t end, F f) {
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / w.p;
    const int64_t p = row % w.p;
    const int64_t top = image * w.h + p * w.stride_h - w.pad_top;
    Cells cells;
    cells.rows = math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
    for (int64_t q = 0; q < w.q; ++q) {
      cells.cols = math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
      cells.origin = (top * w.w + q * w.stride_w - w.pad_left) * w.c;
      cells.count =
          math::WindowCount(cells.rows, cells.cols, w.kernel_h, w.kernel_w, count_padding);
      f(cells);
    }
  }
}

// Elements after a cell at which the next output row finds the same cell of its window: what to
// fetch where rows are short, because the hardware follows a stream to the end of its page only. 0
// where such rows are too long for the nearest cache.
template <class T>
inline int64_t WindowAhead(const qt_window& w) {
  constexpr int64_t kMostBytes = 8192, kBytes = sizeof(T);
  const int64_t elements = w.stride_h * w.w * w.c;
  return elements * kBytes <= kMostBytes ? elements : 0;
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

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_POOL_H_
