// Observe, range to qparams and fake-quantize without a word to the host. Launches: start (clears what
// is seen; delayed: qparams of the last range), a pass that observes and, delayed, quantizes; finish
// (range, count, and the qparams that are still missing); a pass that quantizes: in exact mode, or
// where the batch was the first, which the device finds out: else its threads leave at once.
//
// A thread takes packs of elements as in device/elementwise.h. For each element of its pack it keeps
// the channel's step, minimum and maximum while the channel stays the same. Extremes go to the
// block's shared memory (where the channels fit) and from there to the device's, as ordered integers
// with atomicMin and atomicMax, whose order does not matter. Channels seldom change: with inner = 1
// the grid strides by whole rows of channels, else a block takes a run of neighbouring elements.
#include "cuda/device/elementwise.h"
#include "cuda/device/grid.h"
#include "cuda/device/rows.h"
#include "math/quantize.h"
#include "math/range.h"
#include "math/top_k.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

// Channels whose extremes a block collects in shared memory.
constexpr int64_t kSharedChannels = 1024;

// Of every channel: keys of the extremes seen; none when least > most.
struct Seen {
  uint32_t* least;  // [channels], in the workspace or shared
  uint32_t* most;
};

struct Task {
  qt_observe_fake_quant_args a;
  Seen seen;
  int64_t n;
  bool vector;
  // A block begins `run` elements after the one before, and steps by `stride` up to the tensor's end
  // (strides), or in a run of its own.
  int64_t blocks, run, stride;
  bool strides;
};

__device__ inline void Qparams(const qt_observe_fake_quant_args& a, int64_t c) {
  math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                       /*power_of_two=*/false, a.scale + c, a.zero_point + c);
}

struct StartChannel {
  Task t;
  __device__ void operator()(int64_t c) const {
    if (c == 0) *t.a.nans = 0;
    if (c == t.a.channels) return;
    t.seen.least[c] = 0xffffffffu;
    t.seen.most[c] = 0;
    if (t.a.mode == QT_OBSERVE_DELAYED && *t.a.count != 0) Qparams(t.a, c);
  }
};

// One block, so that every channel is through with the count before it changes.
__global__ void __launch_bounds__(kThreads) FinishKernel(Task t) {
  const qt_observe_fake_quant_args& a = t.a;
  const int32_t count = *a.count;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < a.channels; c += kThreads) {
    const bool any = t.seen.least[c] <= t.seen.most[c];
    const float min = math::RangeEnd(math::FromOrderKey(t.seen.least[c]), any);
    const float max = math::RangeEnd(math::FromOrderKey(t.seen.most[c]), any);
    math::FollowRange(a.rule, count, min, max, *a.momentum, a.range_min + c, a.range_max + c);
    if (count == 0 || a.mode == QT_OBSERVE_EXACT) Qparams(a, c);
  }
  if (threadIdx.x == 0) *a.count = math::AddCounts(count, 1);
}

// Of one element of a thread's pack. fminf and fmaxf skip NaN, and the order of zeros does not show:
// both get the key of +0.
struct Slot {
  int64_t channel;  // -1: none yet
  float min, max;

  __device__ void See(float v) {
    min = fminf(min, v);
    max = fmaxf(max, v);
  }
  __device__ void See(const Slot& other) {
    min = fminf(min, other.min);
    max = fmaxf(max, other.max);
  }
};

__device__ inline void Flush(const Seen& seen, Slot* slot) {
  if (slot->min <= slot->max) {
    atomicMin(seen.least + slot->channel, math::OrderKey(slot->min));
    atomicMax(seen.most + slot->channel, math::OrderKey(slot->max));
  }
  slot->min = INFINITY;
  slot->max = -INFINITY;
}

// Where the pack has one channel, its slots' extremes go into the first.
template <int kPack>
__device__ inline void FlushPack(const Seen& seen, Slot* slots) {
#pragma unroll
  for (int k = 1; k < kPack; ++k) {
    if (slots[k].channel != slots[0].channel) {
      Flush(seen, &slots[k]);
    } else {
      slots[0].See(slots[k]);
      slots[k].min = INFINITY;
      slots[k].max = -INFINITY;
    }
  }
  Flush(seen, &slots[0]);
}

// The same at the end of a block: every thread calls it. Where a warp has one channel, so that its
// atomics would queue, its lanes are joined first.
template <int kPack>
__device__ inline void FlushWarp(const Seen& seen, Slot* slots, int lane) {
  constexpr unsigned kAll = 0xffffffffu;
  bool one = slots[0].channel == __shfl_sync(kAll, slots[0].channel, 0);
#pragma unroll
  for (int k = 1; k < kPack; ++k) one = one && slots[k].channel == slots[0].channel;
  if (__ballot_sync(kAll, one) != kAll) {
    FlushPack<kPack>(seen, slots);
    return;
  }
  Slot all = slots[0];
#pragma unroll
  for (int k = 1; k < kPack; ++k) all.See(slots[k]);
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
    all.See(Slot{0, __shfl_xor_sync(kAll, all.min, distance),
                 __shfl_xor_sync(kAll, all.max, distance)});
  }
  if (lane == 0) Flush(seen, &all);
}

__device__ inline void Emit(float code, float scale, float zero_point, float* out) {
  *out = math::Dequantize(code, scale, zero_point);
}
__device__ inline void Emit(float code, float scale, float zero_point, math::Bf16* out) {
  math::Narrow(math::Dequantize(code, scale, zero_point), out);
}
__device__ inline void Emit(float code, float, float, uint8_t* out) {
  math::StoreCode(code, out);
}
__device__ inline void Emit(float code, float, float, int8_t* out) { math::StoreCode(code, out); }

// The grid of one element of a pack, or of all of it.
struct PackGrid {
  math::Step step;
  float zero_point;
};

template <bool kMultiplies, int kGrids, int kPack, class In, class Out>
__device__ inline uint32_t QuantizePack(const Pack<In, kPack>& in, const PackGrid* grids, float qmin,
                                        float qmax, Pack<Out, kPack>* out) {
  uint32_t bits = 0;
#pragma unroll
  for (int k = 0; k < kPack; ++k) {
    const PackGrid& grid = grids[k % kGrids];
    const float level = Level<kMultiplies>(math::Widen(in.v[k]), grid.step, grid.zero_point);
    const float code = math::Clamp(level, qmin, qmax);
    bits |= (math::Kept(level, code) ? 1u : 0u) << k;
    Emit(code, grid.step.scale, grid.zero_point, &out->v[k]);
  }
  return bits;
}

// kObserve: the first pass, which quantizes if there is a range before this batch; else the second,
// which quantizes if the first did not.
template <class In, class Out, bool kPerChannel, bool kObserve>
__global__ void __launch_bounds__(kThreads, kMinBlocks) PassKernel(Task t) {
  constexpr int kPack = sizeof(In) == 2 ? 8 : 4;
  __shared__ uint32_t least[kSharedChannels], most[kSharedChannels];
  const qt_observe_fake_quant_args& a = t.a;
  const bool delayed = a.mode == QT_OBSERVE_DELAYED;
  const bool quantize = kObserve ? delayed && *a.count != 0 : !delayed || *a.count == 1;
  if (!kObserve && !quantize) return;
  const bool shared = a.channels <= kSharedChannels;
  const Seen seen = shared ? Seen{least, most} : t.seen;
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarpSize;
  if (kObserve && shared) {
    for (int64_t c = thread; c < a.channels; c += kThreads) {
      least[c] = 0xffffffffu;
      most[c] = 0;
    }
    __syncthreads();
  }
  const In* x = static_cast<const In*>(a.x);
  Out* out = static_cast<Out*>(a.codes != nullptr ? a.codes : a.y);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  constexpr int kGrids = kPerChannel ? kPack : 1;
  PackGrid grids[kGrids];
  const auto grid_of = [&](int64_t channel) {
    return PackGrid{math::StepOf(a.scale[channel]), static_cast<float>(a.zero_point[channel])};
  };
#pragma unroll
  for (int k = 0; k < kGrids; ++k) grids[k] = {{1.0f, 1.0f}, 0.0f};
  if (quantize && !kPerChannel) grids[0] = grid_of(0);
  ChannelCursor step = {0, 0};
  if (kPerChannel) step = CursorAt(t.stride, a.channels, a.inner);
  Slot slots[kPack];
  unsigned nans = 0;  // a thread sees fewer than 2^32 elements
#pragma unroll
  for (int k = 0; k < kPack; ++k) slots[k] = {kPerChannel ? -1 : 0, INFINITY, -INFINITY};
  for (int64_t block = blockIdx.x; block < t.blocks; block += gridDim.x) {
    const int64_t begin = block * t.run, start = begin + thread * kPack;
    const int64_t end = t.strides || begin + t.run > t.n ? t.n : begin + t.run;
    ChannelCursor first = {0, 0};
    if (kPerChannel) first = CursorAt(start, a.channels, a.inner);
    // Bounds are those of the warp: all its lanes exchange bits of the mask.
    for (int64_t i = start; i - lane * kPack < end; i += t.stride) {
      Pack<In, kPack> in = {};
      Pack<Out, kPack> result = {};
      const bool whole = t.vector && i + kPack <= end;
      if (whole) {
        in = LoadPack<kPack>(x + i);
      } else {
#pragma unroll
        for (int k = 0; k < kPack; ++k) {
          if (i + k < end) in.v[k] = x[i + k];
        }
      }
      // A whole pack that moves to another channel leaves the last one at once.
      if (kObserve && kPerChannel && slots[0].channel != first.channel &&
          first.rest + kPack <= a.inner) {
        FlushPack<kPack>(seen, slots);
      }
      ChannelCursor at = first;
#pragma unroll
      for (int k = 0; k < kPack; ++k) {
        const bool exists = i + k < end;
        if (kPerChannel && exists && slots[k].channel != at.channel) {
          if (kObserve) Flush(seen, &slots[k]);
          slots[k].channel = at.channel;
          if (quantize) grids[k % kGrids] = grid_of(at.channel);
        }
        if (kObserve && exists) {
          const float v = math::Widen(in.v[k]);
          slots[k].See(v);
          nans += v != v ? 1u : 0u;
        }
        if (kPerChannel) Advance(&at, {0, 1}, a.channels, a.inner);
      }
      uint32_t bits = 0;
      if (quantize) {
        bool multiplies = true;
#pragma unroll
        for (int k = 0; k < kGrids; ++k) {
          multiplies = multiplies && math::Multiplies(grids[k].step);
        }
        bits = multiplies ? QuantizePack<true, kGrids>(in, grids, qmin, qmax, &result)
                          : QuantizePack<false, kGrids>(in, grids, qmin, qmax, &result);
        if (i + kPack > end) bits &= i < end ? (1u << (end - i)) - 1u : 0u;
      }
      if (quantize) {
        if (whole) {
          StorePack<kPack>(out + i, result);
        } else {
#pragma unroll
          for (int k = 0; k < kPack; ++k) {
            if (i + k < end) out[i + k] = result.v[k];
          }
        }
        if (a.mask != nullptr) StoreMask<kPack>(a.mask, i, end, bits);
      }
      if (kPerChannel) Advance(&first, step, a.channels, a.inner);
    }
  }
  if (!kObserve) return;
  FlushWarp<kPack>(seen, slots, lane);
  if (nans != 0) {
    atomicAdd(reinterpret_cast<unsigned long long*>(a.nans), static_cast<unsigned long long>(nans));
  }
  if (!shared) return;
  __syncthreads();
  for (int64_t c = thread; c < a.channels; c += kThreads) {
    if (least[c] <= most[c]) {
      atomicMin(t.seen.least + c, least[c]);
      atomicMax(t.seen.most + c, most[c]);
    }
  }
}

template <class In, class Out>
cudaError_t Passes(const Stream& stream, Task t) {
  constexpr int64_t kPack = sizeof(In) == 2 ? 8 : 4, kPerBlock = kPack * kThreads;
  const qt_observe_fake_quant_args& a = t.a;
  const bool per_channel = a.channels > 1;
  const void* out = a.codes != nullptr ? a.codes : a.y;
  t.vector = reinterpret_cast<uintptr_t>(a.x) % (sizeof(In) * kPack) == 0 &&
             reinterpret_cast<uintptr_t>(out) % (sizeof(Out) * kPack) == 0;
  bool whole = false;
  t.blocks = BlocksOfPacks(t.n, kPack, a.channels, &whole);
  t.strides = a.inner == 1 && per_channel;
  const int64_t packs = (t.n + kPerBlock - 1) / kPerBlock;
  t.run = t.strides || t.n == 0 ? kPerBlock : (packs + t.blocks - 1) / t.blocks * kPerBlock;
  t.stride = t.strides ? t.blocks * kPerBlock : kPerBlock;
  const dim3 grid(static_cast<unsigned>(t.blocks));
  if (t.n > 0) {
    const cudaError_t status =
        Launch(stream, grid,
               per_channel ? PassKernel<In, Out, true, true> : PassKernel<In, Out, false, true>, t);
    if (status != cudaSuccess) return status;
  }
  const cudaError_t status = Launch(stream, dim3(1), FinishKernel, t);
  if (status != cudaSuccess || t.n == 0) return status;
  return Launch(
      stream, grid,
      per_channel ? PassKernel<In, Out, true, false> : PassKernel<In, Out, false, false>, t);
}

}  // namespace

cudaError_t observe_fake_quant(const Stream& stream, const qt_observe_fake_quant_args& a) {
  uint32_t* const keys = static_cast<uint32_t*>(stream.workspace);
  const Task t = {a, {keys, keys + a.channels}, a.outer * a.channels * a.inner, false,
                  0, 0, 0, false};
  // Without channels there still is a count of NaN to clear.
  const cudaError_t status =
      ForChannels(stream, StartChannel{t}, a.channels > 0 ? a.channels : 1);
  if (status != cudaSuccess) return status;
  return math::WithReal(a.element_type, [&](auto* real) {
    using Real = math::Pointed<decltype(real)>;
    if (a.codes == nullptr) return Passes<Real, Real>(stream, t);
    return math::WithCode8(a.code_type, [&](auto* code) {
      return Passes<Real, math::Pointed<decltype(code)>>(stream, t);
    });
  });
}

}  // namespace qt::cuda
