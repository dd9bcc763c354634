// Convolutions whose groups have one input channel: too few products for the tensor cores, so this
// moves memory. A thread takes four neighbouring output channels of kPixels neighbouring pixels; four
// cells of the window at a time, so that dp4a adds four products, and padding holds the zero-point,
// which one multiple of the weights' sum takes out again. The same bits as cpu/reference.cc.
#ifndef QUANTRAIN_CUDA_DEVICE_DEPTHWISE_H_
#define QUANTRAIN_CUDA_DEVICE_DEPTHWISE_H_

#include "cuda/device/mma.h"
#include "cuda/launch.h"
#include "math/integer.h"
#include "math/window.h"

namespace qt::cuda {

constexpr int kPixels = 4;

// The codes of a pixel behind output channels k to k + 3, of which there are `channels`.
template <bool kWords>
__device__ inline uint32_t FourChannels(const uint8_t* pixel, int64_t k, int64_t channels,
                                        int64_t per_input) {
  if (kWords) return *reinterpret_cast<const uint32_t*>(pixel + k);
  uint32_t word = 0;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (k + j < channels) word |= static_cast<uint32_t>(pixel[(k + j) / per_input]) << 8 * j;
  }
  return word;
}

// kWords: an output channel per input channel, a multiple of four of them, and aligned addresses.
template <class T, bool kWords>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    DepthwiseKernel(qt_conv2d_codes_args a, int64_t items) {
  const qt_window& w = a.window;
  const uint8_t* const x = static_cast<const uint8_t*>(a.x);
  const int32_t zero_point = *a.x_zero_point;
  const uint32_t fill = kOnes * (static_cast<uint32_t>(zero_point) & 255u);
  const int64_t quads = (a.k + 3) / 4, runs = (w.q + kPixels - 1) / kPixels;
  const int64_t cells = int64_t{w.kernel_h} * w.kernel_w, per_input = a.k / w.c;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t item = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; item < items; item += stride) {
    const int64_t run = item / quads, k = (item - run * quads) * 4;
    const int64_t line = run / runs, q = (run - line * runs) * kPixels;
    const int64_t image = line / w.p, p = line - image * w.p;
    const math::Span rs =
        math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h, a.dilation_h);
    const int64_t top = image * w.h + p * w.stride_h - w.pad_top;
    const int64_t left = q * w.stride_w - w.pad_left;
    math::Span ss[kPixels];
#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      ss[i] = math::CellsInside(q + i, w.stride_w, w.pad_left, w.kernel_w, w.w, a.dilation_w);
      if (q + i >= w.q) ss[i].last = ss[i].first;
    }

    int32_t sums[kPixels][4] = {};
    int32_t weights_sums[4] = {};
    int32_t r = 0, s = 0;
    for (int64_t cell = 0; cell < cells; cell += 4) {
      uint32_t weights[4] = {};
      int32_t rows[4], columns[4];
#pragma unroll
      for (int t = 0; t < 4; ++t) {
        rows[t] = cell + t < cells ? r : -1;
        columns[t] = s;
        if (++s == w.kernel_w) {
          s = 0;
          ++r;
        }
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (rows[t] < 0 || k + j >= a.k) continue;
          const uint8_t weight = static_cast<uint8_t>(a.w[(k + j) * cells + cell + t]);
          weights[j] |= static_cast<uint32_t>(weight) << 8 * t;
        }
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        weights_sums[j] = Dot4<int8_t, uint8_t>(weights[j], kOnes, weights_sums[j]);
      }
#pragma unroll
      for (int i = 0; i < kPixels; ++i) {
        uint32_t codes[4];
#pragma unroll
        for (int t = 0; t < 4; ++t) {
          codes[t] = fill;
          if (rows[t] < rs.first || rows[t] >= rs.last) continue;
          if (columns[t] < ss[i].first || columns[t] >= ss[i].last) continue;
          const int64_t h = top + int64_t{rows[t]} * a.dilation_h;
          const int64_t v = left + i * w.stride_w + int64_t{columns[t]} * a.dilation_w;
          codes[t] = FourChannels<kWords>(x + (h * w.w + v) * w.c, k, a.k, per_input);
        }
        TransposeBytes(codes);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sums[i][j] = Dot4<T, int8_t>(codes[j], weights[j], sums[i][j]);
        }
      }
    }

#pragma unroll
    for (int i = 0; i < kPixels; ++i) {
      if (q + i >= w.q) continue;
      int32_t* const to = a.acc + (line * w.q + q + i) * a.k + k;
      int32_t neighbours[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        neighbours[j] =
            math::SubtractInt(sums[i][j], math::MultiplyInt(zero_point, weights_sums[j]));
      }
      if (kWords) {
        StoreSums(to, neighbours);
      } else {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          if (k + j < a.k) to[j] = neighbours[j];
        }
      }
    }
  }
}

template <class T>
cudaError_t Depthwise(const Stream& stream, const qt_conv2d_codes_args& a) {
  const qt_window& w = a.window;
  const int64_t items = w.n * w.p * ((w.q + kPixels - 1) / kPixels) * ((a.k + 3) / 4);
  const bool words = a.k == w.c && w.c % 4 == 0 && Aligned16(a.acc, a.acc) &&
                     reinterpret_cast<uintptr_t>(a.x) % 4 == 0;
  return Launch(stream, BlocksFor(items * 4),
                words ? DepthwiseKernel<T, true> : DepthwiseKernel<T, false>, a, items);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_DEPTHWISE_H_
