// Observe, range to qparams and fake-quantize without a word to the host. Launches: start (clears what
// is seen; delayed: qparams of the last range), a pass that observes and, delayed, quantizes; finish
// (range, count, and the qparams that are still missing); a pass that quantizes: in exact mode, or
// where the batch was the first, which the device finds out: else its threads leave at once.
//
// A pass is mapped like device/elementwise.h. A thread keeps minimum and maximum of each element of
// its pack while the channel stays the same, then gives them to memory as ordered integers with
// atomicMin and atomicMax, whose order does not matter. The grid is cut so that with inner = 1 a
// thread's channels stay the same as long as it runs.
#include "cuda/device/elementwise.h"
#include "cuda/device/rows.h"
#include "math/quantize.h"
#include "math/range.h"
#include "math/top_k.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

// Of every channel: keys of the extremes seen; none when least > most.
struct Seen {
  uint32_t* least;  // [channels], in the workspace
  uint32_t* most;
};

struct Task {
  qt_observe_fake_quant_args a;
  Seen seen;
  int64_t n;
  bool vector;
};

__device__ inline void Qparams(const qt_observe_fake_quant_args& a, int64_t c) {
  math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                       a.scale + c, a.zero_point + c);
}

struct StartChannel {
  Task t;
  __device__ void operator()(int64_t c) const {
    t.seen.least[c] = 0xffffffffu;
    t.seen.most[c] = 0;
    if (t.a.mode == QT_OBSERVE_DELAYED && *t.a.count != 0) Qparams(t.a, c);
  }
};

struct ClearNans {
  int64_t* nans;
  __device__ void operator()(int64_t) const { *nans = 0; }
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

// Extremes of one element of a thread's pack.
struct Slot {
  int64_t channel;
  float min, max;
};

__device__ inline void Flush(const Seen& seen, Slot* slot) {
  if (slot->min <= slot->max) {
    atomicMin(seen.least + slot->channel, math::OrderKey(slot->min));
    atomicMax(seen.most + slot->channel, math::OrderKey(slot->max));
  }
  slot->min = INFINITY;
  slot->max = -INFINITY;
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

// kObserve: the first pass, which quantizes if there is a range before this batch; else the second,
// which quantizes if the first did not.
template <class In, class Out, bool kPerChannel, bool kObserve>
__global__ void __launch_bounds__(kThreads) PassKernel(Task t) {
  constexpr int kPack = sizeof(In) == 2 ? 8 : 4;
  const qt_observe_fake_quant_args& a = t.a;
  const bool delayed = a.mode == QT_OBSERVE_DELAYED;
  const bool quantize = kObserve ? delayed && *a.count != 0 : !delayed || *a.count == 1;
  if (!kObserve && !quantize) return;
  const In* x = static_cast<const In*>(a.x);
  Out* out = static_cast<Out*>(a.codes != nullptr ? a.codes : a.y);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kPack;
  const int64_t start = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kPack;
  float scale = quantize ? a.scale[0] : 1.0f;
  float zero_point = quantize ? static_cast<float>(a.zero_point[0]) : 0.0f;
  ChannelCursor first = {0, 0}, step = {0, 0};
  if (kPerChannel) {
    first = CursorAt(start, a.channels, a.inner);
    step = CursorAt(stride, a.channels, a.inner);
  }
  Slot slots[kPack];
  unsigned long long nans = 0;
#pragma unroll
  for (int k = 0; k < kPack; ++k) slots[k] = {0, INFINITY, -INFINITY};
  // Bounds are those of the warp: all its lanes exchange bits of the mask.
  for (int64_t i = start; i - lane * kPack < t.n; i += stride) {
    Pack<In, kPack> in = {};
    Pack<Out, kPack> result = {};
    const bool whole = t.vector && i + kPack <= t.n;
    if (whole) {
      in = *reinterpret_cast<const Pack<In, kPack>*>(x + i);
    } else {
#pragma unroll
      for (int k = 0; k < kPack; ++k) {
        if (i + k < t.n) in.values[k] = x[i + k];
      }
    }
    ChannelCursor at = first;
    uint32_t bits = 0;
#pragma unroll
    for (int k = 0; k < kPack; ++k) {
      const bool exists = i + k < t.n;
      const float v = math::Widen(in.values[k]);
      if (kObserve && exists) {
        if (kPerChannel && slots[k].channel != at.channel) {
          Flush(t.seen, &slots[k]);
          slots[k].channel = at.channel;
        }
        slots[k].min = v < slots[k].min ? v : slots[k].min;
        slots[k].max = v > slots[k].max ? v : slots[k].max;
        nans += v != v ? 1 : 0;
      }
      if (quantize) {
        if (kPerChannel) {
          scale = a.scale[at.channel];
          zero_point = static_cast<float>(a.zero_point[at.channel]);
        }
        const float level = math::Level(v, scale, zero_point);
        const float code = math::Clamp(level, qmin, qmax);
        if (exists && math::Kept(level, code)) bits |= 1u << k;
        Emit(code, scale, zero_point, &result.values[k]);
      }
      if (kPerChannel) Advance(&at, {0, 1}, a.channels, a.inner);
    }
    if (quantize) {
      if (whole) {
        *reinterpret_cast<Pack<Out, kPack>*>(out + i) = result;
      } else {
#pragma unroll
        for (int k = 0; k < kPack; ++k) {
          if (i + k < t.n) out[i + k] = result.values[k];
        }
      }
      if (a.mask != nullptr) StoreMask<kPack>(a.mask, i, t.n, bits);
    }
    if (kPerChannel) Advance(&first, step, a.channels, a.inner);
  }
  if (kObserve && kPerChannel) {
#pragma unroll
    for (int k = 0; k < kPack; ++k) Flush(t.seen, &slots[k]);
  }
  if (kObserve && !kPerChannel) {
#pragma unroll
    for (int k = 1; k < kPack; ++k) {
      slots[0].min = slots[k].min < slots[0].min ? slots[k].min : slots[0].min;
      slots[0].max = slots[k].max > slots[0].max ? slots[k].max : slots[0].max;
    }
#pragma unroll
    for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
      const float min = __shfl_xor_sync(0xffffffffu, slots[0].min, distance);
      const float max = __shfl_xor_sync(0xffffffffu, slots[0].max, distance);
      slots[0].min = min < slots[0].min ? min : slots[0].min;
      slots[0].max = max > slots[0].max ? max : slots[0].max;
    }
    if (lane == 0) Flush(t.seen, &slots[0]);
  }
  if (kObserve && nans != 0) atomicAdd(reinterpret_cast<unsigned long long*>(a.nans), nans);
}

int64_t GreatestDivisor(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

template <class In, class Out>
cudaError_t Passes(const Stream& stream, Task t) {
  constexpr int64_t kPack = sizeof(In) == 2 ? 8 : 4, kPerBlock = kPack * kThreads;
  const qt_observe_fake_quant_args& a = t.a;
  const bool per_channel = a.channels > 1;
  const void* out = a.codes != nullptr ? a.codes : a.y;
  t.vector = reinterpret_cast<uintptr_t>(a.x) % (sizeof(In) * kPack) == 0 &&
             reinterpret_cast<uintptr_t>(out) % (sizeof(Out) * kPack) == 0;
  int64_t blocks = (t.n + kPerBlock - 1) / kPerBlock;
  if (blocks > kMaxBlocks) blocks = kMaxBlocks;
  // Steps of whole rows of channels.
  const int64_t unit = a.channels / GreatestDivisor(a.channels, kPerBlock);
  if (per_channel && a.inner == 1 && blocks > unit) blocks -= blocks % unit;
  const dim3 grid(static_cast<unsigned>(blocks));
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
  const Task t = {a, {keys, keys + a.channels}, a.outer * a.channels * a.inner, false};
  cudaError_t status = ForChannels(stream, ClearNans{a.nans}, 1);
  if (status == cudaSuccess) status = ForChannels(stream, StartChannel{t}, a.channels);
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
