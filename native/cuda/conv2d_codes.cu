// conv2d_codes and gemm_codes, which is a window of one pixel: implicit products of matrices on the
// tensor cores (device/code_product.h). Padding is filled with the zero-point, so the correction of a
// sum is the same for every pixel. The same bits as the loops of cpu/reference.cc.
#include "cuda/device/code_product.h"
#include "cuda/device/depthwise.h"

namespace qt::cuda {
namespace {

using Wide = TileShape<2, 4, 4>;    // 128 x 128
using Tall = TileShape<4, 2, 2>;    // 128 x 64
using Small = TileShape<4, 2, 1>;   // 64 x 64
using Narrow = TileShape<8, 1, 1>;  // 128 x 32

// Two blocks for each multiprocessor of a large device: with fewer tiles smaller ones are better.
constexpr int64_t kBusyTiles = 264;

template <class T, int kVector, class Shape>
cudaError_t Convolve(const Stream& stream, const qt_conv2d_codes_args& a, const Extent& extent) {
  const Windows windows = {a.x,          a.x_zero_point,    a.window, a.dilation_h,
                           a.dilation_w, a.window.c / a.groups, a.window.c / a.groups,
                           /*zeros_beyond=*/false};
  const Weights weights = {a.w, extent.columns, extent.depth};
  return LaunchProduct<WindowReader<T, kVector, Shape::kRows>,
                       WeightReader<kVector, Shape::kColumns>, Shape>(
      stream, windows, weights, AccumulatorsAt(a.acc, a.k, extent.columns), extent);
}

template <class T>
cudaError_t Conv2d(const Stream& stream, const qt_conv2d_codes_args& a) {
  const qt_window& w = a.window;
  const int64_t channels = w.c / a.groups;
  const Extent extent = {a.groups, w.n * w.p * w.q, a.k / a.groups,
                         int64_t{w.kernel_h} * w.kernel_w * channels};
  if (extent.rows * a.k == 0) return cudaSuccess;
  if (channels == 1 && a.groups > 1) return Depthwise<T>(stream, a);
  const uintptr_t together = reinterpret_cast<uintptr_t>(a.x) | reinterpret_cast<uintptr_t>(a.w) |
                             static_cast<uintptr_t>(channels);
  if (together % 4 != 0) return Convolve<T, 1, Tall>(stream, a, extent);
  if (together % 16 != 0) return Convolve<T, 4, Tall>(stream, a, extent);
  if (extent.columns <= Narrow::kColumns) return Convolve<T, 16, Narrow>(stream, a, extent);
  if (extent.columns > Tall::kColumns && Tiles<Wide>(extent) >= kBusyTiles) {
    return Convolve<T, 16, Wide>(stream, a, extent);
  }
  if (Tiles<Tall>(extent) >= kBusyTiles) return Convolve<T, 16, Tall>(stream, a, extent);
  return Convolve<T, 16, Small>(stream, a, extent);
}

}  // namespace

cudaError_t conv2d_codes(const Stream& stream, const qt_conv2d_codes_args& a) {
  return a.code_type == QT_U8 ? Conv2d<uint8_t>(stream, a) : Conv2d<int8_t>(stream, a);
}

cudaError_t gemm_codes(const Stream& stream, const qt_gemm_codes_args& g) {
  qt_conv2d_codes_args a = {};
  a.x = g.x;
  a.x_zero_point = g.x_zero_point;
  a.w = g.w;
  a.acc = g.acc;
  a.window = {g.rows, 1, 1, g.in, 1, 1, 1, 1, 1, 1, 0, 0};
  a.k = g.out;
  a.groups = a.dilation_h = a.dilation_w = 1;
  a.code_type = g.code_type;
  return conv2d_codes(stream, a);
}

}  // namespace qt::cuda
