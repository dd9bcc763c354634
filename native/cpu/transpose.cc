// transpose: NHWC to NCHW and back, a matrix transpose per image. A block is bands of the tiles of
// tiles.h.
#include "cpu/tiles.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// y[cols][rows] = x[rows][cols] for each of `images`.
template <class T>
void Transpose(qt_context& ctx, const T* x, T* y, int64_t images, int64_t rows, int64_t cols) {
  const Bands bands(rows, cols);
  const bool stream = StreamsTiles(
      y, rows, 2 * images * rows * cols * static_cast<int64_t>(sizeof(T)));
  ParallelBlocks(ctx, images * bands.count, ItemsPerBlock(bands.Size()),
                 [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / bands.count * rows * cols, band = i % bands.count;
      const int64_t r0 = bands.along_rows ? band * kTile : 0;
      const int64_t c0 = bands.along_rows ? 0 : band * kTile;
      TurnBand(x + image + r0 * cols + c0, cols, y + image + c0 * rows + r0, rows,
               bands.Rows(band), bands.Columns(band), stream);
    }
  });
}

}  // namespace

qt_status transpose(qt_context& ctx, const qt_transpose_args& args) {
  const int64_t pixels = args.h * args.w;
  const int64_t rows = args.to_nchw != 0 ? pixels : args.c;
  const int64_t cols = args.to_nchw != 0 ? args.c : pixels;
  math::WithElementBytes(args.element_bytes, [&](auto* type) {
    using T = math::Pointed<decltype(type)>;
    Transpose(ctx, static_cast<const T*>(args.x), static_cast<T*>(args.y), args.n, rows, cols);
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
