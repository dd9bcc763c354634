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
//   kDivides                         constant: it has Multiplies
//   Channel                          what an element needs of its channel; an empty struct for nothing
//   Channel At(int64_t c) const      loads it
//   Channel Prepared(int64_t c) const   the same for many elements: what takes long is computed once
//   bool Multiplies(const Channel&)  whether a step of math/step.h multiplies
//   Out Apply<kMultiplies>(int64_t i, In x, In second, const Channel& channel, bool* bit) const
// i is the element's index, second its value in the second input (In{} without one), *bit its bit of
// the mask, false if not set.
#ifndef QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_
#define QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_

#include "cuda/device/pack.h"
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
  int64_t blocks;  // that the tensor was cut into; a smaller grid takes several each
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

// Which channels a thread's elements have.
enum class Channels {
  kOne,     // all the same
  kPacks,   // one per pack: inner is a multiple of the pack
  kThread,  // inner = 1, and the grid's stride is a multiple of the channels: a pack's channels stay
  kAny
};

template <bool kMultiplies, Channels kChannels, class Op, int kPack>
__device__ inline void ApplyToPack(const Op& op,
                                   const ElementwiseTensors<typename Op::In, typename Op::Out>& t,
                                   int64_t i, const Pack<typename Op::In, kPack>& x,
                                   const Pack<typename Op::In, kPack>& second,
                                   const typename Op::Channel* channel, ChannelCursor at,
                                   Pack<typename Op::Out, kPack>* out, uint32_t* bits) {
#pragma unroll
  for (int k = 0; k < kPack; ++k) {
    bool bit = false;
    // The elements behind the end are computed as zeros at the last index.
    const int64_t index = i + k < t.n ? i + k : t.n - 1;
    const typename Op::Channel& own =
        kChannels == Channels::kAny ? op.At(at.channel)
                                    : channel[kChannels == Channels::kThread ? k : 0];
    out->v[k] = op.template Apply<kMultiplies>(index, x.v[k], second.v[k], own, &bit);
    if (Op::kMask && bit && i + k < t.n) *bits |= 1u << k;
    if (kChannels == Channels::kAny) Advance(&at, {0, 1}, t.channels, t.inner);
  }
}

template <class Op, Channels kChannels>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ElementwiseKernel(Op op, ElementwiseTensors<typename Op::In, typename Op::Out> t) {
  using In = typename Op::In;
  using Out = typename Op::Out;
  constexpr int kPack = PackOf<Op>::kSize;
  const int64_t stride = t.blocks * kThreads * kPack;
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  constexpr bool kMoves = kChannels == Channels::kPacks || kChannels == Channels::kAny;
  constexpr int kKept = kChannels == Channels::kThread ? kPack : 1;
  typename Op::Channel channel[kKept] = {};
  ChannelCursor step = {0, 0};
  if (kMoves) step = CursorAt(stride, t.channels, t.inner);
  for (int64_t block = blockIdx.x; block < t.blocks; block += gridDim.x) {
    const int64_t start = (block * kThreads + threadIdx.x) * kPack;
    ChannelCursor first = {0, 0};
    if (kMoves) first = CursorAt(start, t.channels, t.inner);
    if (!kMoves && start < t.n) {
      const int64_t c = kChannels == Channels::kThread ? start % t.channels : 0;
#pragma unroll
      for (int k = 0; k < kKept; ++k) channel[k] = op.Prepared(c + k);
    }
    // Bounds are those of the warp: all its lanes exchange bits of the mask.
    for (int64_t i = start; i - lane * kPack < t.n; i += stride) {
      Pack<In, kPack> x = {}, second = {};
      Pack<Out, kPack> out;
      const bool whole = t.vector && i + kPack <= t.n;
      if (whole) {
        x = LoadPack<kPack>(t.x + i);
        if (Op::kSecond) second = LoadPack<kPack>(t.second + i);
      } else {
#pragma unroll
        for (int k = 0; k < kPack; ++k) {
          if (i + k < t.n) {
            x.v[k] = t.x[i + k];
            if (Op::kSecond) second.v[k] = t.second[i + k];
          }
        }
      }
      if (kChannels == Channels::kPacks) channel[0] = op.Prepared(first.channel);
      uint32_t bits = 0;
      bool multiplies = false;
      if constexpr (Op::kDivides && kChannels != Channels::kAny) {
        multiplies = true;
#pragma unroll
        for (int k = 0; k < kKept; ++k) multiplies = multiplies && Op::Multiplies(channel[k]);
      }
      if (multiplies) {
        ApplyToPack<true, kChannels>(op, t, i, x, second, channel, first, &out, &bits);
      } else {
        ApplyToPack<false, kChannels>(op, t, i, x, second, channel, first, &out, &bits);
      }
      if (whole) {
        StorePack<kPack>(t.out + i, out);
      } else {
#pragma unroll
        for (int k = 0; k < kPack; ++k) {
          if (i + k < t.n) t.out[i + k] = out.v[k];
        }
      }
      if (Op::kMask && t.mask != nullptr) StoreMask<kPack>(t.mask, i, t.n, bits);
      if (kMoves) Advance(&first, step, t.channels, t.inner);
    }
  }
}

inline int64_t GreatestDivisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Blocks of kThreads packs for n elements, so that a grid that strides does so by whole rows of
// channels where it can; *whole says whether.
inline int64_t BlocksOfPacks(int64_t n, int64_t pack, int64_t channels, bool* whole) {
  const int64_t per_block = pack * kThreads;
  int64_t blocks = (n + per_block - 1) / per_block;
  *whole = blocks <= kMaxBlocks;  // no thread steps
  if (*whole) return blocks;
  const int64_t unit = channels / GreatestDivisor(channels, per_block);
  *whole = unit <= kMaxBlocks;
  return *whole ? kMaxBlocks - kMaxBlocks % unit : kMaxBlocks;
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
  ElementwiseTensors<In, Out> tensors = {x, second, out, mask, n, channels, inner, vector, 0};
  bool whole = false;
  tensors.blocks = BlocksOfPacks(n, kPack, channels, &whole);
  const dim3 blocks(static_cast<unsigned>(tensors.blocks));
  if (channels == 1) {
    return Launch(stream, blocks, ElementwiseKernel<Op, Channels::kOne>, op, tensors);
  }
  // A channel's constants in registers, up to 8 of them.
  if (kPack <= 8 && inner == 1 && channels % kPack == 0 && whole) {
    return Launch(stream, blocks, ElementwiseKernel<Op, Channels::kThread>, op, tensors);
  }
  if (inner % kPack == 0) {
    return Launch(stream, blocks, ElementwiseKernel<Op, Channels::kPacks>, op, tensors);
  }
  return Launch(stream, blocks, ElementwiseKernel<Op, Channels::kAny>, op, tensors);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_ELEMENTWISE_H_
