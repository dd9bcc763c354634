// strided_copy: dimensions are walked in the order of the output's strides, so that writes are
// neighbours. Where an element of the input does not lie beside the one before, but along another
// dimension it does, the copy goes in the tiles of tiles.h.
#include <string.h>

#include "cpu/strided.h"
#include "cpu/tiles.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class T>
void CopyRun(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t n) {
  if (x_stride == 1 && y_stride == 1) {
    memcpy(y, x, sizeof(T) * static_cast<size_t>(n));
  } else if (x_stride == 0 && y_stride == 1) {
    const T same = *x;
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) y[k] = same;
  } else {
    for (int64_t k = 0; k < n; ++k) y[k * y_stride] = x[k * x_stride];
  }
}

// rows: the innermost dimension; columns: dimension `transposed`.
template <class T>
void CopyTiles(qt_context& ctx, const T* x, T* y, const math::Strided<2>& s, int transposed) {
  const int64_t rows = s.size[0], columns = s.size[transposed];
  const int64_t x_row = s.stride[0][0], y_column = s.stride[1][transposed];
  math::Strided<2> others = s;  // the other dimensions, and bands of kTile columns innermost
  others.size[0] = DivUp(columns, kTile);
  others.stride[0][0] = kTile;
  others.stride[1][0] = kTile * y_column;
  others.size[transposed] = 1;
  const int64_t bands = others.size[0];
  bool stream = StreamsTiles(y, y_column, 2 * s.elements() * static_cast<int64_t>(sizeof(T)));
  for (int d = 1; d < s.dims; ++d) stream = stream && s.stride[1][d] % kTile == 0;
  ParallelBlocks(ctx, others.elements(), ItemsPerBlock(kTile * rows),
                 [=](int64_t, int64_t begin, int64_t end) {
    Runs<2> runs(others, begin);
    int64_t at[2];
    for (int64_t band = begin; band < end; ++band) {
      runs.Next(1, at);
      const int64_t width = Min(kTile, columns - band % bands * kTile);
      TurnBand(x + at[0], x_row, y + at[1], y_column, rows, width, stream);
    }
  });
}

template <class T>
void Copy(qt_context& ctx, const qt_strided_copy_args& args) {
  const math::Strided<2> s = math::CopyWalk(args);
  const int64_t n = s.elements();
  if (n == 0) return;
  const T fill = static_cast<T>(args.fill_bits);
  const T* x = args.x == nullptr ? &fill : static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  const int transposed = math::TransposedDim(s);
  if (args.x != nullptr && transposed > 0) {
    CopyTiles(ctx, x, y, s, transposed);
    return;
  }
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    Runs<2> runs(s, begin);
    int64_t at[2];
    for (int64_t i = begin; i < end;) {
      const int64_t length = runs.Next(end - i, at);
      CopyRun(x + at[0], s.stride[0][0], y + at[1], s.stride[1][0], length);
      i += length;
    }
  });
}

}  // namespace

qt_status strided_copy(qt_context& ctx, const qt_strided_copy_args& args) {
  if (args.element_bytes == 4) {
    Copy<uint32_t>(ctx, args);
  } else {
    Copy<uint8_t>(ctx, args);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
