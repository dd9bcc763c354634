// gather copies rows of inner elements. Its gradient lets each task own some columns of dx and go
// through the indices from the first to the last, so that sums have one order and no two tasks write
// one element.
#include <string.h>

#include "cpu/kernel.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class T>
void Gather(qt_context& ctx, const qt_gather_args& a) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const int32_t* indices = a.indices;
  const int64_t axis = a.axis, inner = a.inner, count = a.count;
  ParallelBlocks(ctx, a.outer * count, ItemsPerBlock(inner),
                 [=](int64_t, int64_t begin, int64_t end) {
    int64_t outer = begin / count, j = begin % count;
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + (outer * axis + indices[j]) * inner;
      if (inner == 1) {
        y[row] = *from;
      } else {
        memcpy(y + row * inner, from, sizeof(T) * static_cast<size_t>(inner));
      }
      if (++j == count) {
        j = 0;
        ++outer;
      }
    }
  });
}

// Columns that a task of the gradient owns: a few cache lines, so that rows of an embedding are cut
// among the threads.
constexpr int64_t kColumns = 64;

template <class Real>
void GatherBackward(qt_context& ctx, const qt_gather_backward_args& args) {
  const int64_t axis = args.axis, inner = args.inner, count = args.count;
  const int64_t strips = DivUp(inner, kColumns);
  const Real* dy = static_cast<const Real*>(args.dy);
  const int32_t* indices = args.indices;
  float* dx = args.dx;
  if (axis == 0) return;
  const int64_t work = (axis + count) * Min(inner, kColumns);
  ParallelBlocks(ctx, args.outer * strips, ItemsPerBlock(work),
                 [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t column = i % strips * kColumns, width = Min(kColumns, inner - column);
      float* to = dx + i / strips * axis * inner + column;
      const Real* from = dy + i / strips * count * inner + column;
      for (int64_t k = 0; k < axis; ++k) {
        memset(to + k * inner, 0, sizeof(float) * static_cast<size_t>(width));
      }
      for (int64_t j = 0; j < count; ++j) {
        float* sum = to + indices[j] * inner;
        const Real* add = from + j * inner;
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) sum[c] += math::Widen(add[c]);
      }
    }
  });
}

}  // namespace

qt_status gather(qt_context& ctx, const qt_gather_args& args) {
  if (args.inner == 0) return QT_OK;
  if (args.element_bytes == 4) {
    Gather<uint32_t>(ctx, args);
  } else {
    Gather<uint8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status gather_backward(qt_context& ctx, const qt_gather_backward_args& a) {
  math::WithReal(a.element_type,
                 [&](auto* type) { GatherBackward<math::Pointed<decltype(type)>>(ctx, a); });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
