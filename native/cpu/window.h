// The part of a 2-D window that lies inside the input, along one axis.
#ifndef QUANTRAIN_CPU_WINDOW_H_
#define QUANTRAIN_CPU_WINDOW_H_

#include <stdint.h>

#include "cpu/kernel.h"

namespace qt::cpu::QT_ISA {

struct Span {
  int64_t first, last;  // half open
};

// Cells k of the kernel with 0 <= out * stride - pad + k * dilation < size.
inline Span CellsInside(int64_t out, int64_t stride, int64_t pad, int64_t kernel, int64_t size,
                        int64_t dilation = 1) {
  const int64_t start = out * stride - pad;
  const int64_t first = start >= 0 ? 0 : DivUp(-start, dilation);
  const int64_t last = size > start ? Min(kernel, DivUp(size - start, dilation)) : 0;
  return {first, Max(first, last)};
}

// Outputs whose window covers input position `in`, dilation 1.
inline Span OutputsCovering(int64_t in, int64_t stride, int64_t pad, int64_t kernel,
                            int64_t outputs) {
  const int64_t low = in + pad - kernel + 1;
  const int64_t first = low <= 0 ? 0 : DivUp(low, stride);
  const int64_t last = Min(outputs, (in + pad) / stride + 1);
  return {first, Max(first, last)};
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_WINDOW_H_
