// conv2d_backward_weights: one thread per weight, its sum in double over the pixels in order.
#include "cuda/launch.h"
#include "math/quantize.h"

namespace qt::cuda {
namespace {

template <class T>
__device__ inline float Value(const qt_conv2d_backward_weights_args& a, const T* x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return *x;
  } else {
    return math::Dequantize(math::Widen(*x), *a.x_scale, static_cast<float>(*a.x_zero_point));
  }
}

template <class T>
__device__ inline double Sum(const qt_conv2d_backward_weights_args& a, int64_t k, int64_t r,
                             int64_t s, int64_t c) {
  const qt_window& w = a.window;
  const T* const x = static_cast<const T*>(a.x);
  double sum = 0.0;
  for (int64_t row = 0; row < w.n * w.p; ++row) {
    const int64_t image = row / w.p;
    const int64_t h = row % w.p * w.stride_h - w.pad_top + r * a.dilation_h;
    for (int64_t q = 0; q < w.q; ++q) {
      const int64_t v = q * w.stride_w - w.pad_left + s * a.dilation_w;
      const bool inside = h >= 0 && h < w.h && v >= 0 && v < w.w;
      const float value = inside ? Value(a, x + ((image * w.h + h) * w.w + v) * w.c + c) : 0.0f;
      sum += static_cast<double>(value) * static_cast<double>(a.dy[(row * w.q + q) * a.k + k]);
    }
  }
  return sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    BackwardWeightsKernel(qt_conv2d_backward_weights_args a, int64_t weights) {
  const qt_window& w = a.window;
  const int64_t step = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < weights;
       i += step) {
    const int64_t c = i % w.c, tap = i / w.c;
    const int64_t s = tap % w.kernel_w, row = tap / w.kernel_w;
    a.dw[i] = static_cast<float>(Sum<T>(a, row / w.kernel_h, row % w.kernel_h, s, c));
  }
}

}  // namespace

cudaError_t conv2d_backward_weights(const Stream& stream,
                                    const qt_conv2d_backward_weights_args& a) {
  const int64_t weights = a.k * a.window.kernel_h * a.window.kernel_w * a.window.c;
  if (weights == 0) return cudaSuccess;
  const auto kernel = a.x_type == QT_ELEMENT_U8   ? BackwardWeightsKernel<uint8_t>
                      : a.x_type == QT_ELEMENT_S8 ? BackwardWeightsKernel<int8_t>
                                                  : BackwardWeightsKernel<float>;
  return Launch(stream, BlocksFor(weights * 4), kernel, a, weights);
}

}  // namespace qt::cuda
