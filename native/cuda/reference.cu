// conv2d_codes, gemm_codes and matmul_codes: one thread per output, the plainest loops
// that can be right.
#include "cuda/launch.h"
#include "math/integer.h"
#include "math/window.h"

namespace qt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) Conv2dKernel(qt_conv2d_codes_args a) {
  const qt_window& w = a.window;
  const T* x = static_cast<const T*>(a.x);
  const int32_t zero_point = *a.x_zero_point;
  const int64_t group_in = w.c / a.groups, group_out = a.k / a.groups;
  const int64_t outputs = w.n * w.p * w.q * a.k;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; i < outputs; i += stride) {
    const int64_t k = i % a.k, position = i / a.k;
    const int64_t q = position % w.q, row = position / w.q;
    const int64_t p = row % w.p, image = row / w.p;
    const math::Span rs =
        math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h, a.dilation_h);
    const math::Span ss =
        math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w, a.dilation_w);
    int32_t sum = 0;
    for (int64_t r = rs.first; r < rs.last; ++r) {
      const int64_t h = image * w.h + p * w.stride_h - w.pad_top + r * a.dilation_h;
      for (int64_t s = ss.first; s < ss.last; ++s) {
        const int64_t v = q * w.stride_w - w.pad_left + s * a.dilation_w;
        const T* cell = x + (h * w.w + v) * w.c + k / group_out * group_in;
        const int8_t* weights = a.w + ((k * w.kernel_h + r) * w.kernel_w + s) * group_in;
        for (int64_t c = 0; c < group_in; ++c) {
          sum = math::AddInt(
              sum, math::MultiplyInt(math::SubtractInt(cell[c], zero_point), weights[c]));
        }
      }
    }
    a.acc[i] = sum;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) GemmKernel(qt_gemm_codes_args a) {
  const T* x = static_cast<const T*>(a.x);
  const int32_t zero_point = *a.x_zero_point;
  const int64_t outputs = a.rows * a.out;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; i < outputs; i += stride) {
    const int64_t row = i / a.out, o = i % a.out;
    int32_t sum = 0;
    for (int64_t k = 0; k < a.in; ++k) {
      const int32_t difference = math::SubtractInt(x[row * a.in + k], zero_point);
      sum = math::AddInt(sum, math::MultiplyInt(difference, a.w[o * a.in + k]));
    }
    a.acc[i] = sum;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) MatmulKernel(qt_matmul_codes_args m) {
  const T* a = static_cast<const T*>(m.a);
  const T* b = static_cast<const T*>(m.b);
  const int32_t za = *m.a_zero_point, zb = *m.b_zero_point;
  const int64_t outputs = m.pairs * m.rows * m.out;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; i < outputs; i += stride) {
    const int64_t row = i / m.out, o = i % m.out, pair = row / m.rows;
    int32_t sum = 0;
    for (int64_t k = 0; k < m.in; ++k) {
      const int32_t x = math::SubtractInt(a[row * m.in + k], za);
      const int32_t y = math::SubtractInt(b[(pair * m.in + k) * m.out + o], zb);
      sum = math::AddInt(sum, math::MultiplyInt(x, y));
    }
    m.acc[i] = sum;
  }
}

}  // namespace

cudaError_t conv2d_codes(const Stream& stream, const qt_conv2d_codes_args& a) {
  const int64_t outputs = a.window.n * a.window.p * a.window.q * a.k;
  if (outputs == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(outputs * 4),
                a.code_type == QT_U8 ? Conv2dKernel<uint8_t> : Conv2dKernel<int8_t>, a);
}

cudaError_t gemm_codes(const Stream& stream, const qt_gemm_codes_args& a) {
  const int64_t outputs = a.rows * a.out;
  if (outputs == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(outputs * 4),
                a.code_type == QT_U8 ? GemmKernel<uint8_t> : GemmKernel<int8_t>, a);
}

cudaError_t matmul_codes(const Stream& stream, const qt_matmul_codes_args& a) {
  const int64_t outputs = a.pairs * a.rows * a.out;
  if (outputs == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(outputs * 4),
                a.code_type == QT_U8 ? MatmulKernel<uint8_t> : MatmulKernel<int8_t>, a);
}

}  // namespace qt::cuda
