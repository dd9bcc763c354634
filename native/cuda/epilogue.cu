// The fused epilogue of a convolution and its gradient: the bits of cpu/epilogue.cc. Forward: flat
// mapping of device/rows.h, one pass; every block leaves the extremes that it saw in the workspace
// and one block combines them. Backward: one pass that writes dx and sums (device/reduce.h).
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"
#include "math/epilogue.h"

namespace qt::cuda {
namespace {

// What threads saw; exact in any order.
struct Seen {
  math::Extent extent;
  int64_t nans;
};

struct SeenReducer {
  using Total = Seen;
  __device__ Seen Zero() const { return {math::NoExtent(), 0}; }
  __device__ Seen Combine(Seen a, const Seen& b) const {
    math::Extend(&a.extent, b.extent.least, b.extent.most);
    a.nans += b.nans;
    return a;
  }
};

// Every thread of the block calls it. partials has `count` places, whatever the grid is.
__device__ inline void LeaveSeen(const Seen& seen, Seen* partials, int count) {
  __shared__ Seen totals[kThreads];
  totals[threadIdx.x] = seen;
  CombineCopies(SeenReducer(), totals, 1, kThreads);
  if (threadIdx.x != 0) return;
  const int own = static_cast<int>(blockIdx.x);
  for (int i = own; i < count; i += static_cast<int>(gridDim.x)) {
    partials[i] = i == own ? totals[0] : SeenReducer().Zero();
  }
}

// One block.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    StoreSeenKernel(const Seen* partials, int count, float lower, float upper, float* min,
                    float* max, int64_t* nans) {
  __shared__ Seen totals[kThreads];
  const SeenReducer reducer;
  Seen seen = reducer.Zero();
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    seen = reducer.Combine(seen, partials[i]);
  }
  totals[threadIdx.x] = seen;
  CombineCopies(reducer, totals, 1, kThreads);
  if (threadIdx.x != 0) return;
  const math::Extent extent = math::ClippedExtent(totals[0].extent, lower, upper);
  *min = extent.least;
  *max = extent.most;
  if (nans != nullptr) *nans = totals[0].nans;
}

template <class Code>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    EpilogueKernel(qt_epilogue_args a, int64_t n, bool vector, Seen* partials, int count) {
  const float zero_point = static_cast<float>(*a.y_zero_point), y_scale = *a.y_scale;
  const math::LevelRange range =
      math::EpilogueLevels(static_cast<float>(a.qmin), static_cast<float>(a.qmax), zero_point,
                           y_scale, a.lower, a.upper);
  Code* codes = static_cast<Code*>(a.codes);
  Seen seen = SeenReducer().Zero();
  for (FlatWalk at(a.channels); at.base < n; at.Next(a.channels)) {
    const bool whole = vector && at.base + kWarpElements <= n;
    const Four<int32_t> acc = LoadFour(a.acc, at.i, n, whole);
    Four<Code> out;
    int64_t c = at.channel;
    unsigned passes = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float scale = a.out_scale[c];
      const int32_t sum = math::AddBias(acc.v[k], a.keep == nullptr ? 1 : a.keep[c],
                                        a.bias == nullptr ? 0 : a.bias[c]);
      const float v = math::DequantizeAcc(sum, scale);
      const float level = math::RequantizeLevel(sum, math::Multiplier(scale, y_scale));
      if (at.i + k < n) math::Extend(&seen.extent, v, v);
      const bool pass =
          math::InRange(level, range.lo, range.hi) & math::InsideClip(v, a.lower, a.upper);
      passes |= (pass ? 1u : 0u) << k;
      out.v[k] = static_cast<Code>(
          static_cast<int32_t>(math::RequantizeCode(level, range.lo, range.hi, zero_point)));
      c = c + 1 == a.channels ? 0 : c + 1;
    }
    StoreFour(codes, at.i, n, whole, out);
    if (a.mask != nullptr) StoreMask(a.mask, at.base, n, passes);
  }
  if (a.min != nullptr) LeaveSeen(seen, partials, count);
}

template <class T, class Code>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    EpilogueRealKernel(qt_epilogue_f32_args a, int64_t n, bool vector, Seen* partials, int count) {
  const float zero_point = static_cast<float>(*a.y_zero_point), y_scale = *a.y_scale;
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const T* x = static_cast<const T*>(a.x);
  Code* codes = static_cast<Code*>(a.codes);
  T* y = static_cast<T*>(a.y);
  Seen seen = SeenReducer().Zero();
  for (FlatWalk at(a.channels); at.base < n; at.Next(a.channels)) {
    const bool whole = vector && at.base + kWarpElements <= n;
    const Four<T> in = LoadFour(x, at.i, n, whole);
    Four<Code> out;
    Four<T> real;
    int64_t c = at.channel;
    unsigned passes = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float v =
          math::Corrected(math::Widen(in.v[k]), a.correction == nullptr ? 1.0f : a.correction[c],
                          a.bias == nullptr ? 0.0f : a.bias[c]);
      const float clipped = math::Clip(v, a.lower, a.upper);
      if (at.i + k < n) {
        math::Extend(&seen.extent, clipped, clipped);
        seen.nans += clipped != clipped ? 1 : 0;
      }
      const float level = math::Level(clipped, y_scale, zero_point);
      const float code = math::Clamp(level, qmin, qmax);
      const bool pass = math::InRange(level, qmin, qmax) & math::InsideClip(v, a.lower, a.upper);
      passes |= (pass ? 1u : 0u) << k;
      out.v[k] = static_cast<Code>(static_cast<int32_t>(code));
      math::Narrow(math::Dequantize(code, y_scale, zero_point), &real.v[k]);
      c = c + 1 == a.channels ? 0 : c + 1;
    }
    if (codes != nullptr) StoreFour(codes, at.i, n, whole, out);
    if (y != nullptr) StoreFour(y, at.i, n, whole, real);
    if (a.mask != nullptr) StoreMask(a.mask, at.base, n, passes);
  }
  if (a.min != nullptr) LeaveSeen(seen, partials, count);
}

// The extremes after a forward kernel. Where there was no element, nothing was launched before.
cudaError_t StoreSeen(const Stream& stream, unsigned blocks, float lower, float upper, float* min,
                      float* max, int64_t* nans) {
  if (min == nullptr) return cudaSuccess;
  return Launch(stream, dim3(1), StoreSeenKernel, static_cast<const Seen*>(stream.workspace),
                static_cast<int>(blocks), lower, upper, min, max, nans);
}

template <class Code>
cudaError_t Epilogue(const Stream& stream, const qt_epilogue_args& a) {
  const int64_t n = a.rows * a.channels;
  const unsigned blocks = n == 0 ? 0 : BlocksFor(n);
  if (n > 0) {
    const bool vector = AlignedForFour(a.acc) && AlignedForFour(static_cast<Code*>(a.codes));
    const cudaError_t status = Launch(stream, dim3(blocks), EpilogueKernel<Code>, a, n, vector,
                                      static_cast<Seen*>(stream.workspace),
                                      static_cast<int>(blocks));
    if (status != cudaSuccess) return status;
  }
  return StoreSeen(stream, blocks, a.lower, a.upper, a.min, a.max, nullptr);
}

template <class T, class Code>
cudaError_t EpilogueReal(const Stream& stream, const qt_epilogue_f32_args& a) {
  const int64_t n = a.rows * a.channels;
  const unsigned blocks = n == 0 ? 0 : BlocksFor(n);
  if (n > 0) {
    const bool vector = AlignedForFour(static_cast<const T*>(a.x)) &&
                        AlignedForFour(static_cast<T*>(a.y)) &&
                        AlignedForFour(static_cast<Code*>(a.codes));
    const cudaError_t status = Launch(stream, dim3(blocks), EpilogueRealKernel<T, Code>, a, n,
                                      vector, static_cast<Seen*>(stream.workspace),
                                      static_cast<int>(blocks));
    if (status != cudaSuccess) return status;
  }
  return StoreSeen(stream, blocks, a.lower, a.upper, a.min, a.max, a.nans);
}

// What the correction multiplied.
template <class T>
__device__ inline float OperandOf(const qt_epilogue_backward_args& a, int64_t i, int64_t c) {
  return math::DequantizeAcc(a.acc[i], a.unit[c]);
}

template <class T>
__device__ inline float OperandOf(const qt_epilogue_f32_backward_args& a, int64_t i, int64_t) {
  return math::Widen(static_cast<const T*>(a.x)[i]);
}

template <class T, class Args>
struct Gradient {
  struct Total {
    float d, d_o;
  };
  Args a;

  __device__ Total Zero() const { return {0.0f, 0.0f}; }
  __device__ void Add(Total* t, int64_t i, int64_t c) const {
    const float d = MaskBit(a.mask, i) ? math::Widen(static_cast<const T*>(a.dy)[i]) : 0.0f;
    t->d += d;
    if (a.dcorrection != nullptr) t->d_o += d * OperandOf<T>(a, i, c);
    if (a.dx != nullptr) {
      math::Narrow(d * (a.correction == nullptr ? 1.0f : a.correction[c]),
                   static_cast<T*>(a.dx) + i);
    }
  }
  __device__ Total Combine(const Total& x, const Total& y) const {
    return {x.d + y.d, x.d_o + y.d_o};
  }
  __device__ void Store(int64_t c, const Total& t) const {
    a.dbias[c] = t.d;
    if (a.dcorrection != nullptr) a.dcorrection[c] = t.d_o;
  }
};

template <class Args>
cudaError_t Backward(const Stream& stream, const Args& a) {
  return a.element_type == QT_ELEMENT_F32
             ? ReduceChannels(stream, Gradient<float, Args>{a}, a.rows, a.channels, 1)
             : ReduceChannels(stream, Gradient<math::Bf16, Args>{a}, a.rows, a.channels, 1);
}

}  // namespace

cudaError_t epilogue(const Stream& stream, const qt_epilogue_args& a) {
  return a.code_type == QT_U8 ? Epilogue<uint8_t>(stream, a) : Epilogue<int8_t>(stream, a);
}

cudaError_t epilogue_backward(const Stream& stream, const qt_epilogue_backward_args& a) {
  return Backward(stream, a);
}

cudaError_t epilogue_f32(const Stream& stream, const qt_epilogue_f32_args& a) {
  const bool u8 = a.code_type == QT_U8;
  if (a.element_type == QT_ELEMENT_F32) {
    return u8 ? EpilogueReal<float, uint8_t>(stream, a) : EpilogueReal<float, int8_t>(stream, a);
  }
  return u8 ? EpilogueReal<math::Bf16, uint8_t>(stream, a)
            : EpilogueReal<math::Bf16, int8_t>(stream, a);
}

cudaError_t epilogue_f32_backward(const Stream& stream, const qt_epilogue_f32_backward_args& a) {
  return Backward(stream, a);
}

}  // namespace qt::cuda
