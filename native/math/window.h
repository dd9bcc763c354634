// The part of a window inside the input, along one axis. NUMERICS.md, "Windows and pooling".
#ifndef QUANTRAIN_MATH_WINDOW_H_
#define QUANTRAIN_MATH_WINDOW_H_

#include "math/hd.h"

namespace qt::math {

struct Span {
  int64_t first, last;  // half open
};

QT_HD int64_t SpanLength(Span s) { return s.last - s.first; }

// a / b rounded up. Checked arguments have sizes below 2^31 and kernels, strides, pads and dilations
// of at most 2^20, so 32 bits are enough, and a device divides those much faster.
QT_HD int64_t QuotientUp(int64_t a, int64_t b) {
  const uint32_t divisor = static_cast<uint32_t>(b);
  return (static_cast<uint32_t>(a) + divisor - 1) / divisor;
}

// Cells k of the kernel with 0 <= out * stride - pad + k * dilation < size.
QT_HD Span CellsInside(int64_t out, int64_t stride, int64_t pad, int64_t kernel, int64_t size,
                       int64_t dilation = 1) {
  const int64_t start = out * stride - pad;
  Span cells;
  cells.first = start >= 0 ? 0 : QuotientUp(-start, dilation);
  cells.last = size > start ? QuotientUp(size - start, dilation) : 0;
  if (cells.last > kernel) cells.last = kernel;
  if (cells.last < cells.first) cells.last = cells.first;
  return cells;
}

// Outputs whose window covers input position `in`, dilation 1.
QT_HD Span OutputsCovering(int64_t in, int64_t stride, int64_t pad, int64_t kernel,
                           int64_t outputs) {
  const int64_t low = in + pad - kernel + 1;
  Span covering;
  covering.first = low <= 0 ? 0 : QuotientUp(low, stride);
  covering.last = QuotientUp(in + pad + 1, stride);
  if (covering.last > outputs) covering.last = outputs;
  if (covering.last < covering.first) covering.last = covering.first;
  return covering;
}

// Divisor of a window's mean. A window that lies wholly in the padding has the mean 0.
QT_HD float WindowCount(Span rows, Span cols, int32_t kernel_h, int32_t kernel_w,
                        bool count_padding) {
  if (count_padding) return static_cast<float>(kernel_h) * static_cast<float>(kernel_w);
  const int64_t inside = SpanLength(rows) * SpanLength(cols);
  return static_cast<float>(inside > 1 ? inside : 1);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_WINDOW_H_
