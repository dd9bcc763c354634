// fake_quant and ste_backward, the same bits as cpu/fake_quant.cc: both call math/quantize.h.
//
// Parallel mapping: a warp takes 128 consecutive elements per step, 4 per thread in one 16-byte
// access, and strides over the tensor by the grid. Each input is read once and each output written
// once. y may be x (a thread writes where it read), so pointers are not __restrict__.
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "math/quantize.h"

namespace qt::cuda {
namespace {

// Channel of an element that moves forward in fixed steps: no division after the first.
struct ChannelCursor {
  int64_t channel, rest;  // element = (outer * channels + channel) * inner + rest
};

__device__ inline ChannelCursor CursorAt(int64_t element, int64_t channels, int64_t inner) {
  return {element / inner % channels, element % inner};
}

// step is a distance modulo channels * inner, written as a cursor.
__device__ inline void Advance(ChannelCursor* at, ChannelCursor step, int64_t channels,
                               int64_t inner) {
  at->rest += step.rest;
  at->channel += step.channel;
  if (at->rest >= inner) {
    at->rest -= inner;
    ++at->channel;
  }
  if (at->channel >= channels) at->channel -= channels;
}

struct FakeQuantParameters {
  const float* x;
  const float* scale;
  const int32_t* zero_point;
  float* y;
  uint8_t* mask;
  int64_t n, channels, inner;
  float qmin, qmax;
  bool vector;  // x and y allow 16-byte accesses
};

template <bool kPerChannel, bool kMask>
__global__ void __launch_bounds__(kThreads) FakeQuantKernel(FakeQuantParameters p) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int64_t warp = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarpSize) +
                       static_cast<int64_t>(threadIdx.x) / kWarpSize;
  const int64_t warps = static_cast<int64_t>(gridDim.x) * (kThreads / kWarpSize);
  const int64_t stride = warps * kWarpElements;
  const int64_t start = warp * kWarpElements;

  float scale = p.scale[0];
  float zero_point = static_cast<float>(p.zero_point[0]);
  ChannelCursor first = {0, 0}, step = {0, 0};
  if (kPerChannel) {
    first = CursorAt(start + 4 * lane, p.channels, p.inner);
    step = CursorAt(stride, p.channels, p.inner);
  }
  // Bounds are those of the warp: all its lanes take part in every ballot.
  for (int64_t base = start; base < p.n; base += stride) {
    const int64_t i = base + 4 * lane;
    const bool whole = p.vector && base + kWarpElements <= p.n;
    float v[4];
    if (whole) {
      const float4 four = *reinterpret_cast<const float4*>(p.x + i);
      v[0] = four.x;
      v[1] = four.y;
      v[2] = four.z;
      v[3] = four.w;
    } else {
      for (int k = 0; k < 4; ++k) v[k] = i + k < p.n ? p.x[i + k] : 0.0f;
    }
    ChannelCursor at = first;
    uint32_t in_range[4];
    for (int k = 0; k < 4; ++k) {
      if (kPerChannel) {
        scale = p.scale[at.channel];
        zero_point = static_cast<float>(p.zero_point[at.channel]);
      }
      const float level = math::Level(v[k], scale, zero_point);
      v[k] = math::Dequantize(math::Clamp(level, p.qmin, p.qmax), scale, zero_point);
      if (kMask) {
        const bool set = i + k < p.n && math::InRange(level, p.qmin, p.qmax);
        in_range[k] = __ballot_sync(0xffffffffu, set);
      }
      if (kPerChannel) Advance(&at, {0, 1}, p.channels, p.inner);
    }
    if (whole) {
      *reinterpret_cast<float4*>(p.y + i) = make_float4(v[0], v[1], v[2], v[3]);
    } else {
      for (int k = 0; k < 4; ++k) {
        if (i + k < p.n) p.y[i + k] = v[k];
      }
    }
    if (kMask) {
      // Ballot k holds element 4 * lane + k of every lane. Byte b of the step's 16 mask bytes is
      // made of lanes 2b and 2b + 1, and lane b writes it: a mask is aligned to bytes only.
      uint32_t byte = 0;
      for (int k = 0; k < 4; ++k) {
        const uint32_t pair = in_range[k] >> (2 * (lane % 16));
        byte |= ((pair & 1u) | ((pair & 2u) << 3)) << k;
      }
      if (lane < 16 && base + 8 * lane < p.n) {
        p.mask[base / 8 + lane] = static_cast<uint8_t>(byte);
      }
    }
    if (kPerChannel) Advance(&first, step, p.channels, p.inner);
  }
}

// One thread per 4 elements and step; two neighbours share a mask byte.
__global__ void __launch_bounds__(kThreads)
    SteBackwardKernel(const float* dy, const uint8_t* mask, float* dx, int64_t n, bool vector) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 4;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 4;
  for (; i < n; i += stride) {
    const unsigned bits = static_cast<unsigned>(mask[i / 8]) >> (i % 8);
    if (vector && i + 4 <= n) {
      float4 v = *reinterpret_cast<const float4*>(dy + i);
      v.x = bits & 1u ? v.x : 0.0f;
      v.y = bits & 2u ? v.y : 0.0f;
      v.z = bits & 4u ? v.z : 0.0f;
      v.w = bits & 8u ? v.w : 0.0f;
      *reinterpret_cast<float4*>(dx + i) = v;
    } else {
      for (int k = 0; k < 4 && i + k < n; ++k) dx[i + k] = (bits >> k) & 1u ? dy[i + k] : 0.0f;
    }
  }
}

}  // namespace

cudaError_t fake_quant(const Stream& stream, const qt_fake_quant_args& args) {
  FakeQuantParameters p;
  p.x = args.x;
  p.scale = args.scale;
  p.zero_point = args.zero_point;
  p.y = args.y;
  p.mask = args.mask;
  p.n = args.outer * args.channels * args.inner;
  p.channels = args.channels;
  p.inner = args.inner;
  p.qmin = static_cast<float>(args.qmin);
  p.qmax = static_cast<float>(args.qmax);
  p.vector = Aligned16(args.x, args.y);
  if (p.n == 0) return cudaSuccess;
  const bool per_channel = args.channels > 1;
  const bool mask = args.mask != nullptr;
  const auto kernel = per_channel
                          ? (mask ? FakeQuantKernel<true, true> : FakeQuantKernel<true, false>)
                          : (mask ? FakeQuantKernel<false, true> : FakeQuantKernel<false, false>);
  return Launch(stream, BlocksFor(p.n), kernel, p);
}

cudaError_t ste_backward(const Stream& stream, const qt_ste_backward_args& args) {
  if (args.n == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(args.n), SteBackwardKernel, args.dy, args.mask, args.dx, args.n,
                Aligned16(args.dy, args.dx));
}

}  // namespace qt::cuda
