// Accumulators, the same bits as cpu/accumulator.cc: statistics are integers and range is min/max,
// exact in any order (device/reduce.h); the rest is elementwise in the flat mapping of
// device/rows.h: four elements per access, 16 bytes of accumulators and floats, 8 of bf16. Each
// input is read once and each output written once.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/epilogue.h"
#include "math/requantize.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

struct StatsReducer {
  struct Total {
    int64_t sum;
    uint64_t squares_low, squares_high;
    int32_t min, max;
  };
  const int32_t* acc;
  int64_t* sum;
  int64_t* sum_squares;
  int32_t* min;
  int32_t* max;

  __device__ Total Zero() const { return {0, 0, 0, INT32_MAX, INT32_MIN}; }
  __device__ void Add(Total* t, int64_t element, int64_t) const {
    const int32_t a = acc[element];
    const uint64_t square = static_cast<uint64_t>(static_cast<int64_t>(a) * a);
    t->sum += a;
    t->squares_low += square;
    t->squares_high += t->squares_low < square ? 1 : 0;
    t->min = a < t->min ? a : t->min;
    t->max = a > t->max ? a : t->max;
  }
  __device__ Total Combine(Total a, const Total& b) const {
    a.sum += b.sum;
    a.squares_low += b.squares_low;
    a.squares_high += b.squares_high + (a.squares_low < b.squares_low ? 1 : 0);
    a.min = b.min < a.min ? b.min : a.min;
    a.max = b.max > a.max ? b.max : a.max;
    return a;
  }
  __device__ void Store(int64_t channel, const Total& t) const {
    sum[channel] = t.sum;
    sum_squares[2 * channel] = static_cast<int64_t>(t.squares_low);
    sum_squares[2 * channel + 1] = static_cast<int64_t>(t.squares_high);
    min[channel] = t.min;
    max[channel] = t.max;
  }
};

// Over channels as elements of one channel.
struct RangeReducer {
  using Total = math::Extent;
  qt_acc_range_args a;

  __device__ Total Zero() const { return math::NoExtent(); }
  __device__ void Add(Total* t, int64_t c, int64_t) const {
    const int32_t bias = a.bias == nullptr ? 0 : a.bias[c];
    const int32_t keep = a.keep == nullptr ? 1 : a.keep[c];
    const float scale = a.out_scale[c];
    math::Extend(t, math::DequantizeAcc(math::AddBias(a.acc_min[c], keep, bias), scale),
                 math::DequantizeAcc(math::AddBias(a.acc_max[c], keep, bias), scale));
  }
  __device__ Total Combine(Total x, const Total& y) const {
    math::Extend(&x, y.least, y.most);
    return x;
  }
  __device__ void Store(int64_t, const Total& t) const {
    const Total clipped = math::ClippedExtent(t, a.relu != 0 ? 0.0f : -__builtin_inff(), a.upper);
    *a.min = clipped.least;
    *a.max = clipped.most;
  }
};

template <class Code>
struct RequantizeMap {
  using Out = Code;
  const int32_t* acc;
  Code* out;
  uint8_t* mask;
  const int32_t* bias;
  const int32_t* keep;
  const float* multiplier;
  const int32_t* zero_point;
  int32_t qmin, qmax, relu;

  __device__ Code operator()(int32_t value, int64_t c, bool* pass) const {
    const float z = static_cast<float>(*zero_point);
    const math::RequantizeEnds ends = math::MakeRequantizeEnds(qmin, qmax, z, relu != 0);
    const int32_t sum = math::AddBias(value, keep == nullptr ? 1 : keep[c],
                                      bias == nullptr ? 0 : bias[c]);
    const float level = math::RequantizeLevel(sum, multiplier[c]);
    *pass = math::InRange(level, ends.lo, ends.hi) && (relu == 0 || sum > 0);
    return static_cast<Code>(
        static_cast<int32_t>(math::RequantizeCode(level, ends.lo, ends.hi, z)));
  }
};

template <class Real>
struct DequantizeMap {
  using Out = Real;
  const int32_t* acc;
  Real* out;
  uint8_t* mask;
  const int32_t* bias;
  const int32_t* keep;
  const float* out_scale;

  __device__ Real operator()(int32_t value, int64_t c, bool*) const {
    const int32_t sum = math::AddBias(value, keep == nullptr ? 1 : keep[c],
                                      bias == nullptr ? 0 : bias[c]);
    Real y;
    math::Narrow(math::DequantizeAcc(sum, out_scale[c]), &y);
    return y;
  }
};

template <class Map>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    MapAccKernel(Map map, int64_t n, int64_t channels, bool vector) {
  for (FlatWalk at(channels); at.base < n; at.Next(channels)) {
    const bool whole = vector && at.base + kWarpElements <= n;
    const Four<int32_t> acc = LoadFour(map.acc, at.i, n, whole);
    Four<typename Map::Out> out;
    int64_t channel = at.channel;
    unsigned passes = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      bool pass = false;
      out.v[k] = map(acc.v[k], channel, &pass);
      passes |= (pass ? 1u : 0u) << k;
      channel = channel + 1 == channels ? 0 : channel + 1;
    }
    StoreFour(map.out, at.i, n, whole, out);
    if (map.mask != nullptr) StoreMask(map.mask, at.base, n, passes);
  }
}

template <class Map>
cudaError_t MapAcc(const Stream& stream, const Map& map, int64_t rows, int64_t channels) {
  const int64_t n = rows * channels;
  if (n == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(n), MapAccKernel<Map>, map, n, channels,
                AlignedForFour(map.acc) && AlignedForFour(map.out));
}

template <class Code>
cudaError_t Requantize(const Stream& stream, const qt_requantize_args& a) {
  const RequantizeMap<Code> map = {a.acc,        static_cast<Code*>(a.codes), a.mask, a.bias, a.keep,
                                   a.multiplier, a.zero_point,                a.qmin, a.qmax, a.relu};
  return MapAcc(stream, map, a.rows, a.channels);
}

template <class Real>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    FloatToAccKernel(const Real* x, int32_t* acc, int64_t n, bool accumulate, bool vector) {
  for (FlatWalk at(1); at.base < n; at.Next(1)) {
    const bool whole = vector && at.base + kWarpElements <= n;
    const Four<Real> value = LoadFour(x, at.i, n, whole);
    Four<int32_t> sum = {};
    if (accumulate) sum = LoadFour(acc, at.i, n, whole);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      sum.v[k] = math::AddBias(sum.v[k], 1, math::FloatToAcc(math::Widen(value.v[k])));
    }
    StoreFour(acc, at.i, n, whole, sum);
  }
}

struct MultiplierOf {
  qt_multiplier_args a;
  __device__ void operator()(int64_t c) const {
    a.multiplier[c] = a.pool_count > 0 ? math::PoolMultiplier(*a.out_scale, *a.y_scale,
                                                              static_cast<float>(a.pool_count))
                                       : math::Multiplier(a.out_scale[c], *a.y_scale);
  }
};

}  // namespace

cudaError_t acc_stats(const Stream& stream, const qt_acc_stats_args& a) {
  const StatsReducer reducer = {a.acc, a.sum, a.sum_squares, a.min, a.max};
  return ReduceChannels(stream, reducer, a.rows, a.channels, 1);
}

cudaError_t acc_range(const Stream& stream, const qt_acc_range_args& a) {
  return ReduceChannels(stream, RangeReducer{a}, 1, 1, a.channels);
}

cudaError_t multiplier(const Stream& stream, const qt_multiplier_args& a) {
  return ForChannels(stream, MultiplierOf{a}, a.channels);
}

cudaError_t requantize(const Stream& stream, const qt_requantize_args& a) {
  return a.code_type == QT_U8 ? Requantize<uint8_t>(stream, a) : Requantize<int8_t>(stream, a);
}

cudaError_t dequantize_acc(const Stream& stream, const qt_dequantize_acc_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const DequantizeMap<Real> map = {a.acc,  static_cast<Real*>(a.y), nullptr, a.bias,
                                     a.keep, a.out_scale};
    return MapAcc(stream, map, a.rows, a.channels);
  });
}

cudaError_t float_to_acc(const Stream& stream, const qt_float_to_acc_args& a) {
  if (a.n == 0) return cudaSuccess;
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* const x = static_cast<const Real*>(a.x);
    return Launch(stream, BlocksFor(a.n), FloatToAccKernel<Real>, x, a.acc, a.n,
                  a.accumulate != 0, AlignedForFour(x) && AlignedForFour(a.acc));
  });
}

}  // namespace qt::cuda
