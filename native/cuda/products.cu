// pair_weights and conv2d_pairs: what cpu/products.cc computes, for a device that is given weights in
// that order. One thread per output.
#include "cuda/launch.h"
#include "math/requantize.h"
#include "math/window.h"

namespace qt::cuda {
namespace {

constexpr int64_t kPanel = 16;

__device__ inline int64_t FirstItem() {
  return static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
}
__device__ inline int64_t Items() { return static_cast<int64_t>(gridDim.x) * kThreads; }

__global__ void __launch_bounds__(kThreads, kMinBlocks)
    PairWeightsKernel(qt_pair_weights_args a, int64_t values) {
  const int64_t pairs = (a.length + 1) / 2;
  for (int64_t to = FirstItem(); to < values; to += Items()) {
    const int64_t pair = to / (2 * kPanel) % pairs, block = to / (2 * kPanel) / pairs;
    const int64_t i = 2 * pair + to % 2, k = block / a.runs * kPanel + to / 2 % kPanel;
    const bool inside = i < a.length && k < a.k;
    a.pairs[to] = inside ? a.w[(k * a.runs + block % a.runs) * a.length + i] : 0;
  }
}

// Value i of a run of channel k.
__device__ inline int32_t Weight(const int8_t* pairs, int64_t runs, int64_t length, int64_t k,
                                 int64_t run, int64_t i) {
  const int64_t pair = (k / kPanel * runs + run) * ((length + 1) / 2) + i / 2;
  return pairs[(pair * kPanel + k % kPanel) * 2 + i % 2];
}

// The sum at a pixel of the output and its channel k.
template <class T>
__device__ inline int32_t Sum(const qt_conv2d_pairs_args& a, int64_t pixel, int64_t k) {
  const qt_window& w = a.window;
  const T* x = static_cast<const T*>(a.x);
  const int32_t zero_point = *a.x_zero_point;
  const int64_t channels = w.c / a.groups, first = a.groups > 1 ? k : 0;
  const int64_t q = pixel % w.q, row = pixel / w.q;
  const int64_t p = row % w.p, image = row / w.p;
  const math::Span rs = math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h);
  const math::Span ss = math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w);
  int32_t sum = 0;
  for (int64_t r = rs.first; r < rs.last; ++r) {
    const int64_t h = image * w.h + p * w.stride_h - w.pad_top + r;
    for (int64_t s = ss.first; s < ss.last; ++s) {
      const T* cell = x + (h * w.w + q * w.stride_w - w.pad_left + s) * w.c + first;
      for (int64_t c = 0; c < channels; ++c) {
        const int32_t weight =
            Weight(a.pairs, w.kernel_h, w.kernel_w * channels, k, r, s * channels + c);
        sum = math::AddInt(sum, math::MultiplyInt(math::SubtractInt(cell[c], zero_point), weight));
      }
    }
  }
  return sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    Conv2dKernel(qt_conv2d_pairs_args a, int64_t outputs) {
  for (int64_t i = FirstItem(); i < outputs; i += Items()) {
    const int64_t k = i % a.k;
    const int32_t sum = Sum<T>(a, i / a.k, k);
    if (a.codes == nullptr) {
      a.acc[i] = sum;
      continue;
    }
    const float z = static_cast<float>(*a.zero_point);
    const math::RequantizeEnds ends = math::MakeRequantizeEnds(a.qmin, a.qmax, z, a.relu != 0);
    const int32_t bias = a.bias == nullptr ? 0 : a.bias[k];
    const float level = math::RequantizeLevel(math::AddInt(sum, bias), a.multiplier[k]);
    // The low byte is the code in either container.
    static_cast<uint8_t*>(a.codes)[i] = static_cast<uint8_t>(
        static_cast<int32_t>(math::RequantizeCode(level, ends.lo, ends.hi, z)));
  }
}

}  // namespace

cudaError_t pair_weights(const Stream& stream, const qt_pair_weights_args& a) {
  const int64_t values = (a.k + kPanel - 1) / kPanel * a.runs * ((a.length + 1) / 2) * 2 * kPanel;
  if (values == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(values * 4), PairWeightsKernel, a, values);
}

cudaError_t conv2d_pairs(const Stream& stream, const qt_conv2d_pairs_args& a) {
  const int64_t outputs = a.window.n * a.window.p * a.window.q * a.k;
  if (outputs == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(outputs * 4),
                a.x_type == QT_U8 ? Conv2dKernel<uint8_t> : Conv2dKernel<int8_t>, a, outputs);
}

}  // namespace qt::cuda
