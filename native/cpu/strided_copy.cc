// strided_copy: dimensions are walked in the order of the output's strides, so that writes are
// neighbours. Where an element of the input does not lie beside the one before, but along another
// dimension it does, the copy goes in the tiles of tiles.h.
#include <string.h>

#include "cpu/strided.h"
#include "cpu/tiles.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// Runs that are fetched before their copy: neighbours in y lie anywhere in x.
constexpr int64_t kRunsAhead = 4;

// Whether the runs of y are whole cache lines.
template <class T>
bool WholeLines(const T* y, const math::Strided<2>& s) {
  const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
  bool whole = s.stride[0][0] == 1 && s.stride[1][0] == 1 && s.size[0] % line == 0 &&
               reinterpret_cast<uintptr_t>(y) % 64 == 0;
  for (int d = 1; d < s.dims; ++d) whole = whole && s.stride[1][d] % line == 0;
  return whole;
}

template <class T>
void CopyRun(const T* x, int64_t x_stride, T* y, int64_t y_stride, int64_t n, bool stream) {
  if (stream) {
    StreamCopy(x, y, n * static_cast<int64_t>(sizeof(T)));
  } else if (x_stride == 1 && y_stride == 1) {
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
  const int64_t x_row = s.stride[0][0], y_column = s.stride[1][transposed];
  const Bands bands(s.size[0], s.size[transposed]);
  math::Strided<2> others = s;  // the other dimensions, and bands innermost
  others.size[0] = bands.count;
  others.stride[0][0] = bands.along_rows ? kTile * x_row : kTile;
  others.stride[1][0] = bands.along_rows ? kTile : kTile * y_column;
  others.size[transposed] = 1;
  bool stream = StreamsTiles(y, y_column, 2 * s.elements() * static_cast<int64_t>(sizeof(T)));
  for (int d = 1; d < s.dims; ++d) stream = stream && s.stride[1][d] % kTile == 0;
  ParallelBlocks(ctx, others.elements(), ItemsPerBlock(bands.Size()),
                 [=](int64_t, int64_t begin, int64_t end) {
    Runs<2> runs(others, begin);
    int64_t at[2];
    for (int64_t i = begin; i < end; ++i) {
      runs.Next(1, at);
      const int64_t band = i % bands.count;
      TurnBand(x + at[0], x_row, y + at[1], y_column, bands.Rows(band), bands.Columns(band),
               stream);
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
  const bool stream = Streams(2 * n * static_cast<int64_t>(sizeof(T))) && WholeLines(y, s);
  const int64_t ahead = stream && s.dims > 1 ? kRunsAhead * s.stride[0][1] : 0;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    Runs<2> runs(s, begin);
    int64_t at[2];
    for (int64_t i = begin; i < end;) {
      const int64_t length = runs.Next(end - i, at);
      if (ahead != 0) Prefetch(x + at[0] + ahead, length);
      CopyRun(x + at[0], s.stride[0][0], y + at[1], s.stride[1][0], length, stream);
      i += length;
    }
  });
}

}  // namespace

qt_status strided_copy(qt_context& ctx, const qt_strided_copy_args& args) {
  math::WithElementBytes(args.element_bytes, [&](auto* type) {
    Copy<math::Pointed<decltype(type)>>(ctx, args);
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
