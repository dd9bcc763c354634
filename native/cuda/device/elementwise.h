// Elementwise kernels: one output per element of a [outer, channels, inner] tensor, values per
// channel, and if wanted a mask with one bit per element.
//
// Parallel mapping: a thread takes a pack of consecutive elements, as many as make 16 bytes of the
// widest type (4 floats, 8 bf16, 16 codes), in one access per tensor; a warp takes 32 packs and
// strides over the tensor by the grid. Each input is read once and the output written once. The
// output may be an input (a thread writes where it read), so pointers are not __restrict__.
//
// An Op is a plain struct:
//   In, Out                          element types
//   kSecond, kMask                   constants: there is a second input; an element has a mask bit
//   Channel                          what an element needs of its channel; an empty struct for nothing
//   Channel At(int64_t c) const      loads it
//   Out operator()(int64_t i, In x, In second, const Channel& channel, bool* bit) const
// i is the element's index, second its value in the second input (In{} without one), *bit its bit of
// the mask, false if not set.
#ifndef QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_
#define QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_

#include "cuda/launch.h"

namespace qt::cuda {

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

struct NoChannel {};

template <class T, int kPack>
struct alignas(sizeof(T) * kPack) Pack {
  T values[kPack];
};

template <class Op>
struct PackOf {
  static constexpr int kWidest = sizeof(typename Op::In) > sizeof(typename Op::Out)
                                     ? sizeof(typename Op::In)
                                     : sizeof(typename Op::Out);
  static constexpr int kSize = 16 / kWidest;
};

template <class In, class Out>
struct ElementwiseTensors {
  const In* x;
  const In* second;  // null without kSecond
  Out* out;
  uint8_t* mask;  // or null
  int64_t n, channels, inner;
  bool vector;  // all of them allow accesses of a pack
};

// Mask bytes of a warp's step from the bits of each thread's pack. Every lane calls it.
template <int kPack>
__device__ inline void StoreMask(uint8_t* mask, int64_t first, int64_t n, uint32_t bits) {
  if (kPack == 4) {
    bits |= __shfl_down_sync(0xffffffffu, bits, 1) << 4;
    if (first % 8 == 0 && first < n) mask[first / 8] = static_cast<uint8_t>(bits);
  } else {
#pragma unroll
    for (int k = 0; k < kPack; k += 8) {
      if (first + k < n) mask[(first + k) / 8] = static_cast<uint8_t>(bits >> k);
    }
  }
}

template <class Op, bool kPerChannel>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ElementwiseKernel(Op op, ElementwiseTensors<typename Op::In, typename Op::Out> t) {
  using In = typename Op::In;
  using Out = typename Op::Out;
  constexpr int kPack = PackOf<Op>::kSize;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kPack;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int64_t start = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kPack;
  typename Op::Channel channel = op.At(0);
  ChannelCursor first = {0, 0}, step = {0, 0};
  if (kPerChannel) {
    first = CursorAt(start, t.channels, t.inner);
    step = CursorAt(stride, t.channels, t.inner);
  }
  // Bounds are those of the warp: all its lanes exchange bits of the mask.
  for (int64_t i = start; i - lane * kPack < t.n; i += stride) {
    Pack<In, kPack> x = {}, second = {};
    Pack<Out, kPack> out;
    const bool whole = t.vector && i + kPack <= t.n;
    if (whole) {
      x = *reinterpret_cast<const Pack<In, kPack>*>(t.x + i);
      if (Op::kSecond) second = *reinterpret_cast<const Pack<In, kPack>*>(t.second + i);
    } else {
#pragma unroll
      for (int k = 0; k < kPack; ++k) {
        if (i + k < t.n) {
          x.values[k] = t.x[i + k];
          if (Op::kSecond) second.values[k] = t.second[i + k];
        }
      }
    }
    ChannelCursor at = first;
    uint32_t bits = 0;
#pragma unroll
    for (int k = 0; k < kPack; ++k) {
      if (kPerChannel) channel = op.At(at.channel);
      bool bit = false;
      // The elements behind the end are computed as zeros at the last index.
      const int64_t index = i + k < t.n ? i + k : t.n - 1;
      out.values[k] = op(index, x.values[k], second.values[k], channel, &bit);
      if (Op::kMask && bit && i + k < t.n) bits |= 1u << k;
      if (kPerChannel) Advance(&at, {0, 1}, t.channels, t.inner);
    }
    if (whole) {
      *reinterpret_cast<Pack<Out, kPack>*>(t.out + i) = out;
    } else {
#pragma unroll
      for (int k = 0; k < kPack; ++k) {
        if (i + k < t.n) t.out[i + k] = out.values[k];
      }
    }
    if (Op::kMask && t.mask != nullptr) StoreMask<kPack>(t.mask, i, t.n, bits);
    if (kPerChannel) Advance(&first, step, t.channels, t.inner);
  }
}

// second is null without kSecond; mask may be null.
template <class Op>
cudaError_t Elementwise(const Stream& stream, const Op& op, const typename Op::In* x,
                        const typename Op::In* second, typename Op::Out* out, uint8_t* mask,
                        int64_t outer, int64_t channels, int64_t inner) {
  using In = typename Op::In;
  using Out = typename Op::Out;
  constexpr int64_t kPack = PackOf<Op>::kSize;
  const int64_t n = outer * channels * inner;
  if (n == 0) return cudaSuccess;
  const auto aligned = [](const void* p, size_t element) {
    return reinterpret_cast<uintptr_t>(p) % (element * kPack) == 0;
  };
  const bool vector = aligned(x, sizeof(In)) && aligned(second, sizeof(In)) &&
                      aligned(out, sizeof(Out));
  const ElementwiseTensors<In, Out> tensors = {x, second, out, mask, n, channels, inner, vector};
  const auto kernel = channels > 1 ? ElementwiseKernel<Op, true> : ElementwiseKernel<Op, false>;
  const int64_t per_block = kPack * kThreads, blocks = (n + per_block - 1) / per_block;
  return Launch(stream, dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks)),
                kernel, op, tensors);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_
