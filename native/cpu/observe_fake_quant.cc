// Observe, range to qparams and fake-quantize in one call. Exact: a pass for the range, then the
// kernel that quantizes. Delayed: one pass that does both to an element. Extremes are exact in any
// order, so a thread keeps its own and they are joined in the end.
#include "cpu/extremes.h"
#include "cpu/runs.h"
#include "math/quantize.h"

namespace qt::cpu::QT_ISA {
namespace {

void RangeAndQparams(const qt_observe_fake_quant_args& a, int64_t c, const Extremes& e,
                     bool qparams) {
  float min, max;
  StoreRange(e, &min, &max);
  *a.nans += e.nans;
  math::FollowRange(a.rule, *a.count, min, max, *a.momentum, a.range_min + c, a.range_max + c);
  if (!qparams) return;
  math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                       /*power_of_two=*/false, a.scale + c, a.zero_point + c);
}

// Whether a number of a run is NaN. They are rare: a run that has one is counted afterwards.
struct NanSeen {
#if QT_VECTORS
  Truths lanes = Never();
  void See(Vector v) { lanes = lanes | IsNan(v); }
  bool Any() const { return one || Bits(lanes) != 0; }
#else
  bool Any() const { return one; }
#endif
  bool one = false;
  void See(float v) { one = one || v != v; }
};

template <class Real>
int64_t CountNans(const Real* x, int64_t n) {
  int32_t nans = 0;
#pragma omp simd reduction(+ : nans)
  for (int64_t i = 0; i < n; ++i) {
    const float v = math::Widen(x[i]);
    nans += v != v ? 1 : 0;
  }
  return nans;
}

// Memory of a block of elements, which one thread has, behind a pointer that is set later.
struct BlockMemory {
  uint8_t** memory;
  int64_t block, bytes;
  uint8_t* Of(int64_t i) const { return *memory + i / block * bytes; }
  bool Begins(int64_t i) const { return i % block == 0; }
};

// The extremes of runs of one channel, in registers: per block an Extremes for every channel.
template <class Real>
struct RunSeen {
  static constexpr bool Meets(Run run) { return run == Run::kChannel; }
  const Real* x;
  BlockMemory at;
  int64_t channels, inner;
#if QT_VECTORS
  Vector min = Vector(kInfinity), max = Vector(-kInfinity);
#endif
  Extremes tail = {};
  NanSeen nan = {};

  Extremes* Of(int64_t i) const {
    Extremes* const e = reinterpret_cast<Extremes*>(at.Of(i));
    for (int64_t c = 0; at.Begins(i) && c < channels; ++c) e[c] = Extremes();
    return e + i / inner % channels;
  }
  void Begin(int64_t) {}
  template <class T>
  void See(int64_t i, int64_t) {
    const T v = LoadAs<T>(x + i);
    nan.See(v);
    if constexpr (sizeof(T) == sizeof(float)) {
      tail.min = math::Smaller(v, tail.min);
      tail.max = math::Larger(v, tail.max);
    }
#if QT_VECTORS
    else {
      min = Smaller(v, min);
      max = Larger(v, max);
    }
#endif
  }
  void End(int64_t i, int64_t n) {
    tail.nans = nan.Any() ? CountNans(x + i, n) : 0;
#if QT_VECTORS
    float least[Vector::kSize], most[Vector::kSize];
    StoreVector(min, least);
    StoreVector(max, most);
    for (int64_t j = 0; j < Vector::kSize; ++j) Join({least[j], most[j], 0}, &tail);
#endif
    Join(tail, Of(i));
  }
  void All(int64_t i, int64_t n) { ObserveRun(x + i, n, Of(i)); }
};

// The extremes of runs over many channels, entered at their phase like the table of scales: per
// block `period` minima, as many maxima, and the number of NaN.
template <class Real>
struct LanesSeen {
  static constexpr bool Meets(Run run) { return run == Run::kTable; }
  const Real* x;
  BlockMemory at;
  int64_t plane, period;
  float* min = nullptr;
  float* max = nullptr;
  NanSeen nan = {};

  static int64_t Bytes(int64_t period) { return 8 * period + 8; }
  int64_t* Nans(int64_t i) const {
    return reinterpret_cast<int64_t*>(at.Of(i) + 8 * period);
  }
  void Begin(int64_t i) {
    float* const lanes = reinterpret_cast<float*>(at.Of(i));
    if (at.Begins(i)) {
      for (int64_t j = 0; j < period; ++j) {
        lanes[j] = kInfinity;
        lanes[period + j] = -kInfinity;
      }
      *Nans(i) = 0;
    }
    min = lanes + i % plane;
    max = min + period;
  }
  template <class T>
  void See(int64_t i, int64_t j) {
    const T v = LoadAs<T>(x + i);
    nan.See(v);
    if constexpr (sizeof(T) == sizeof(float)) {
      min[j] = math::Smaller(v, min[j]);
      max[j] = math::Larger(v, max[j]);
    }
#if QT_VECTORS
    else {
      StoreVector(Smaller(v, LoadVector(min + j)), min + j);
      StoreVector(Larger(v, LoadVector(max + j)), max + j);
    }
#endif
  }
  void End(int64_t i, int64_t n) {
    if (nan.Any()) *Nans(i) += CountNans(x + i, n);
  }
  void All(int64_t i, int64_t n) {
    Begin(i);
    float* const least = min;
    float* const most = max;
    const Real* const in = x + i;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const float v = math::Widen(in[j]);
      least[j] = math::Smaller(v, least[j]);
      most[j] = math::Larger(v, most[j]);
    }
    *Nans(i) += CountNans(in, n);
  }
};

// Out is float or Bf16 for the real numbers that the codes stand for, else the codes.
template <class Real, class Out>
struct Observed {
  const Real* x;
  float qmin, qmax;

  void Fetch(int64_t i) const { FetchAhead<4>(x + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T zero_point = z.template At<T>(j);
    const T level = s.Level(LoadAs<T>(x + i), j, zero_point);
    const T code = math::Clamp(level, T(qmin), T(qmax));
    if constexpr (std::is_same_v<Out, Real>) {
      return {math::Dequantize(code, s.template At<T>(j), zero_point), math::Kept(level, code)};
    } else {
      return {code, math::Kept(level, code)};
    }
  }
};

template <bool kMask, class Real, class Out>
qt_status Delayed(qt_context& ctx, const qt_observe_fake_quant_args& a, const Real* x, Out* out) {
  const ChannelGrid grid = {a.outer, a.channels, a.inner, a.scale, a.zero_point};
  const int64_t n = grid.elements(), plane = a.channels * a.inner;
  const Observed<Real, Out> op = {x, static_cast<float>(a.qmin), static_cast<float>(a.qmax)};
  const int64_t bytes = n * static_cast<int64_t>(sizeof(Real) + sizeof(Out));
  const bool in_place = static_cast<const void*>(x) == static_cast<const void*>(out);
  // One block per thread.
  const int64_t block = Max(1, DivUp(DivUp(n, ctx.threads), kBlock)) * kBlock;
  const int64_t blocks = DivUp(n, block);
  const bool by_lane = grid.Tabled();
  using Channel = RunSeen<Real>;
  using Lanes = LanesSeen<Real>;
  uint8_t* memory = nullptr;
  const int64_t period = plane + Min(kChunk, n);
  const int64_t block_bytes = DivUp(by_lane ? Lanes::Bytes(period)
                                            : a.channels * static_cast<int64_t>(sizeof(Extremes)),
                                    64) * 64;
  const BlockMemory at = {&memory, block, block_bytes};
  const auto walk = [&](auto seen) {
    using Body = PerElement<kMask, Observed<Real, Out>, Out, decltype(seen)>;
    return ForEachRun<kMask, true>(ctx, grid, out, a.mask, bytes, in_place,
                                   Body{op, out, a.mask, seen},
                                   OwnScratch{Max(1, blocks) * block_bytes, &memory, block});
  };
  const qt_status status = by_lane ? walk(Lanes{x, at, plane, period})
                                   : walk(Channel{x, at, a.channels, a.inner});
  if (status != QT_OK) return status;
  for (int64_t c = 0; c < a.channels; ++c) {
    Extremes all;
    for (int64_t b = 0; b < blocks; ++b) {
      if (!by_lane) {
        Join(reinterpret_cast<const Extremes*>(at.Of(b * block))[c], &all);
        continue;
      }
      const float* const min = reinterpret_cast<const float*>(at.Of(b * block));
      for (int64_t first = c * a.inner; first < period; first += plane) {
        for (int64_t j = first; j < Min(period, first + a.inner); ++j) {
          Join({min[j], min[period + j], 0}, &all);
        }
      }
      if (c == 0) all.nans += *reinterpret_cast<const int64_t*>(min + 2 * period);
    }
    RangeAndQparams(a, c, all, /*qparams=*/false);
  }
  return QT_OK;
}

template <class Real>
qt_status Exact(qt_context& ctx, const qt_observe_fake_quant_args& a, const Real* x) {
  const qt_status status =
      ObserveChannels(ctx, x, a.outer, a.channels, a.inner, [&](int64_t c, const Extremes& e) {
        RangeAndQparams(a, c, e, /*qparams=*/true);
      });
  if (status != QT_OK) return status;
  if (a.codes == nullptr) {
    return fake_quant(ctx, {a.x, a.scale, a.zero_point, a.y, a.mask, a.outer, a.channels, a.inner,
                            a.qmin, a.qmax, a.element_type});
  }
  return quantize(ctx, {a.x, a.scale, a.zero_point, a.codes, a.mask, a.outer, a.channels, a.inner,
                        a.qmin, a.qmax, a.code_type, a.element_type});
}

}  // namespace

qt_status observe_fake_quant(qt_context& ctx, const qt_observe_fake_quant_args& a) {
  *a.nans = 0;
  const bool exact = a.mode == QT_OBSERVE_EXACT || *a.count == 0;
  for (int64_t c = 0; !exact && c < a.channels; ++c) {
    math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                         /*power_of_two=*/false, a.scale + c, a.zero_point + c);
  }
  const qt_status status = math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* x = static_cast<const Real*>(a.x);
    if (exact) return Exact(ctx, a, x);
    const auto run = [&](auto* out) {
      return a.mask == nullptr ? Delayed<false>(ctx, a, x, out) : Delayed<true>(ctx, a, x, out);
    };
    if (a.codes == nullptr) return run(static_cast<Real*>(a.y));
    return math::WithCode8(a.code_type, [&](auto* code) {
      return run(static_cast<math::Pointed<decltype(code)>*>(a.codes));
    });
  });
  if (status == QT_OK) *a.count = math::AddCounts(*a.count, 1);
  return status;
}

}  // namespace qt::cpu::QT_ISA
