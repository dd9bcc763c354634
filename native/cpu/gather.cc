// gather copies rows of inner elements that lie anywhere in x. Its gradient brings the indices in
// order first, so that each row of dx is summed and written once.
#include <string.h>

#include "cpu/stream.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// Bytes of the next row that are fetched during a row; the hardware sees the rest of a long one.
constexpr int64_t kFetched = 4096;

template <class T>
void Gather(qt_context& ctx, const qt_gather_args& a) {
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const int32_t* indices = a.indices;
  const int64_t axis = a.axis, inner = a.inner, count = a.count;
  const int64_t row_bytes = inner * static_cast<int64_t>(sizeof(T));
  const bool stream = Streams(2 * a.outer * count * row_bytes) && row_bytes % 64 == 0 &&
                      reinterpret_cast<uintptr_t>(y) % 64 == 0;
  const int64_t fetched = Min(row_bytes, kFetched) / static_cast<int64_t>(sizeof(T));
  ParallelBlocks(ctx, a.outer * count, ItemsPerBlock(inner),
                 [=](int64_t, int64_t begin, int64_t end) {
    int64_t outer = begin / count, j = begin % count;
    for (int64_t row = begin; row < end; ++row) {
      const T* from = x + (outer * axis + indices[j]) * inner;
      if (stream) {
        if (j + 1 < count) Prefetch(x + (outer * axis + indices[j + 1]) * inner, fetched);
        StreamCopy(from, y + row * inner, row_bytes);
      } else if (inner == 1) {
        y[row] = *from;
      } else {
        memcpy(y + row * inner, from, static_cast<size_t>(row_bytes));
      }
      if (++j == count) {
        j = 0;
        ++outer;
      }
    }
  });
}

// Columns of a row of dx that are summed at once, in the nearest cache.
constexpr int64_t kColumns = 256;

template <class Real>
qt_status GatherBackward(qt_context& ctx, const qt_gather_backward_args& a) {
  const int64_t axis = a.axis, inner = a.inner, count = a.count;
  // The j of index k, ascending, are order[k == 0 ? 0 : ends[k - 1]] to order[ends[k] - 1].
  int32_t* const ends = ScratchArray<int32_t>(ctx, axis + 1 + count);
  if (ends == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* const order = ends + axis + 1;
  memset(ends, 0, sizeof(int32_t) * static_cast<size_t>(axis + 1));
  for (int64_t j = 0; j < count; ++j) ++ends[a.indices[j] + 1];
  for (int64_t k = 0; k < axis; ++k) ends[k + 1] += ends[k];
  for (int64_t j = 0; j < count; ++j) order[ends[a.indices[j]]++] = static_cast<int32_t>(j);

  const Real* const dy = static_cast<const Real*>(a.dy);
  float* const dx = a.dx;
  const int64_t strips = DivUp(inner, kColumns);
  const int64_t dy_bytes = a.outer * count * inner * static_cast<int64_t>(sizeof(Real));
  const bool stream = Streams(dy_bytes + 4 * a.outer * axis * inner);
  const int64_t work = Min(inner, kColumns) * (1 + count / axis);
  ParallelBlocks(ctx, a.outer * axis * strips, ItemsPerBlock(work),
                 [=](int64_t, int64_t begin, int64_t end) {
    ChunkOut<float, kColumns> sums(stream);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / strips, k = row % axis;
      const int64_t column = i % strips * kColumns, width = Min(kColumns, inner - column);
      const Real* const from = dy + row / axis * count * inner + column;
      float* const sum = sums.At(dx + row * inner + column);
      memset(sum, 0, sizeof(float) * static_cast<size_t>(width));
      for (int64_t p = k == 0 ? 0 : ends[k - 1]; p < ends[k]; ++p) {
        const Real* const add = from + order[p] * inner;
        if (p + 1 < count) Prefetch(from + order[p + 1] * inner, width);
#pragma omp simd
        for (int64_t c = 0; c < width; ++c) sum[c] += math::Widen(add[c]);
      }
      sums.Done(dx + row * inner + column, width);
    }
  });
  return QT_OK;
}

}  // namespace

qt_status gather(qt_context& ctx, const qt_gather_args& args) {
  if (args.inner == 0) return QT_OK;
  math::WithElementBytes(args.element_bytes, [&](auto* type) {
    Gather<math::Pointed<decltype(type)>>(ctx, args);
  });
  return QT_OK;
}

qt_status gather_backward(qt_context& ctx, const qt_gather_backward_args& a) {
  if (a.outer * a.axis * a.inner == 0) return QT_OK;
  return math::WithReal(a.element_type, [&](auto* type) {
    return GatherBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
