// transpose: NHWC to NCHW and back, a matrix transpose per image. A block is a band of output rows;
// inside it, square tiles keep the strided side of the copy in the nearest cache.
#include "cpu/kernel.h"

namespace qt::cpu::QT_ISA {
namespace {

// 16 elements of 4 bytes are a cache line: a tile reads and writes whole lines.
constexpr int64_t kTile = 16;

// y[cols][rows] = x[rows][cols] for each of `images`.
template <class T>
void Transpose(qt_context& ctx, const T* x, T* y, int64_t images, int64_t rows, int64_t cols) {
  const int64_t bands = rows == 0 ? 0 : DivUp(cols, kTile);
  const int64_t bands_per_block = ItemsPerBlock(kTile * rows);
  ParallelBlocks(ctx, images * bands, bands_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t band = begin; band < end; ++band) {
      const T* from = x + band / bands * rows * cols;
      T* to = y + band / bands * rows * cols;
      const int64_t c0 = band % bands * kTile;
      const int64_t c1 = Min(cols, c0 + kTile);
      for (int64_t r0 = 0; r0 < rows; r0 += kTile) {
        const int64_t height = Min(kTile, rows - r0);
        for (int64_t c = c0; c < c1; ++c) {
          const T* column = from + r0 * cols + c;
          T* row = to + c * rows + r0;
          if (height == kTile) {
            for (int64_t r = 0; r < kTile; ++r) row[r] = column[r * cols];
          } else {
            for (int64_t r = 0; r < height; ++r) row[r] = column[r * cols];
          }
        }
      }
    }
  });
}

}  // namespace

qt_status transpose(qt_context& ctx, const qt_transpose_args& args) {
  const int64_t pixels = args.h * args.w;
  const int64_t rows = args.to_nchw != 0 ? pixels : args.c;
  const int64_t cols = args.to_nchw != 0 ? args.c : pixels;
  if (args.element_bytes == 4) {
    Transpose(ctx, static_cast<const uint32_t*>(args.x), static_cast<uint32_t*>(args.y), args.n,
              rows, cols);
  } else {
    Transpose(ctx, static_cast<const uint8_t*>(args.x), static_cast<uint8_t*>(args.y), args.n, rows,
              cols);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
