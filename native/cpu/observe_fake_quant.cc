// Observe, range to qparams and fake-quantize in one call. Exact: a pass for the range, and one that
// quantizes. Delayed: one pass; a chunk is observed and then quantized while it is in the first
// cache. Extremes are exact in any order, so a thread keeps its own and they are joined in the end.
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
                       a.scale + c, a.zero_point + c);
}

// Elements that begin in any lane of rows of lanes.
template <class T>
void ObserveFromLane(const T* x, int64_t n, int64_t lane, int64_t lanes, const LaneExtremes& e) {
  if (lane > 0) {
    const int64_t head = Min(n, lanes - lane);
    ObserveRows(x, head, head, LaneExtremes{e.min + lane, e.max + lane, e.nans + lane});
    x += head;
    n -= head;
  }
  ObserveRows(x, n, lanes, e);
}

// Observes a run, then quantizes it while it is in the first cache. Out is float or Bf16 for the
// real numbers that the codes stand for, else the codes.
template <class Real, class Out, class Observe>
struct Observed {
  const Real* x;
  float qmin, qmax;
  Observe observe;

  const Real* input() const { return x; }
  void Prefix(int64_t i, int64_t n) const { observe(i, n); }
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
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  // One block per thread. It keeps lanes where chunks hold many channels, else values per channel.
  const bool by_lane = grid.Tabled();
  const int64_t lanes = Lanes(plane);
  const int64_t block = Max(1, DivUp(DivUp(n, ctx.threads), kBlock)) * kBlock;
  const int64_t blocks = DivUp(n, block);
  const int64_t block_bytes =
      DivUp(by_lane ? LaneExtremesFloats(lanes) * 4
                    : a.channels * static_cast<int64_t>(sizeof(Extremes)),
            64) * 64;
  uint8_t* seen = nullptr;
  uint8_t** const seen_at = &seen;
  const auto lanes_of = [=](int64_t b) {
    return LaneExtremesAt(reinterpret_cast<float*>(*seen_at + b * block_bytes), lanes);
  };
  const auto channels_of = [=](int64_t b) {
    return reinterpret_cast<Extremes*>(*seen_at + b * block_bytes);
  };
  const int64_t bytes = n * static_cast<int64_t>(sizeof(Real) + sizeof(Out));
  const bool in_place = static_cast<const void*>(x) == static_cast<const void*>(out);
  const auto observe = [=](int64_t begin, int64_t count) {
    const Real* in = x + begin;
    const int64_t b = begin / block;
    if (by_lane) {
      if (begin % block == 0) Start(lanes_of(b), lanes);
      ObserveFromLane(in, count, begin % lanes, lanes, lanes_of(b));
    } else {
      Extremes* const e = channels_of(b);
      for (int64_t c = 0; begin % block == 0 && c < a.channels; ++c) e[c] = Extremes();
      ObserveRun(in, count, e + begin / a.inner % a.channels);
    }
  };
  using Op = Observed<Real, Out, decltype(observe)>;
  const qt_status status = ForEachRun<kMask, true>(
      ctx, grid, out, a.mask, bytes, in_place,
      PerElement<kMask, Op, Out>{Op{x, qmin, qmax, observe}, out, a.mask},
      OwnScratch{Max(1, blocks) * block_bytes, seen_at, block});
  if (status != QT_OK) return status;
  for (int64_t c = 0; c < a.channels; ++c) {
    Extremes all;
    if (by_lane && n > 0) {
      all = JoinLanes(reinterpret_cast<float*>(seen), blocks, lanes, a.channels, a.inner, c,
                      block_bytes / 4);
    }
    for (int64_t b = 0; !by_lane && b < blocks; ++b) Join(channels_of(b)[c], &all);
    RangeAndQparams(a, c, all, /*qparams=*/false);
  }
  return QT_OK;
}

template <class Real>
qt_status Observe(qt_context& ctx, const qt_observe_fake_quant_args& a, const Real* x) {
  return ObserveChannels(ctx, x, a.outer, a.channels, a.inner, [&](int64_t c, const Extremes& e) {
    RangeAndQparams(a, c, e, /*qparams=*/true);
  });
}

qt_status Exact(qt_context& ctx, const qt_observe_fake_quant_args& a) {
  const qt_status status = math::WithReal(a.element_type, [&](auto* type) {
    return Observe(ctx, a, static_cast<const math::Pointed<decltype(type)>*>(a.x));
  });
  if (status != QT_OK) return status;
  if (a.codes == nullptr) {
    qt_fake_quant_args fake = {};
    fake.x = a.x;
    fake.scale = a.scale;
    fake.zero_point = a.zero_point;
    fake.y = a.y;
    fake.mask = a.mask;
    fake.outer = a.outer;
    fake.channels = a.channels;
    fake.inner = a.inner;
    fake.qmin = a.qmin;
    fake.qmax = a.qmax;
    fake.element_type = a.element_type;
    return fake_quant(ctx, fake);
  }
  qt_quantize_args codes = {};
  codes.x = a.x;
  codes.scale = a.scale;
  codes.zero_point = a.zero_point;
  codes.codes = a.codes;
  codes.mask = a.mask;
  codes.outer = a.outer;
  codes.channels = a.channels;
  codes.inner = a.inner;
  codes.qmin = a.qmin;
  codes.qmax = a.qmax;
  codes.code_type = a.code_type;
  codes.element_type = a.element_type;
  return quantize(ctx, codes);
}

}  // namespace

qt_status observe_fake_quant(qt_context& ctx, const qt_observe_fake_quant_args& a) {
  *a.nans = 0;
  qt_status status = QT_OK;
  if (a.mode == QT_OBSERVE_EXACT || *a.count == 0) {
    status = Exact(ctx, a);
  } else {
    for (int64_t c = 0; c < a.channels; ++c) {
      math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                           a.scale + c, a.zero_point + c);
    }
    status = math::WithReal(a.element_type, [&](auto* type) {
      using Real = math::Pointed<decltype(type)>;
      const Real* x = static_cast<const Real*>(a.x);
      const auto run = [&](auto* out) {
        return a.mask == nullptr ? Delayed<false>(ctx, a, x, out) : Delayed<true>(ctx, a, x, out);
      };
      if (a.codes == nullptr) return run(static_cast<Real*>(a.y));
      return math::WithCode8(a.code_type, [&](auto* code) {
        return run(static_cast<math::Pointed<decltype(code)>*>(a.codes));
      });
    });
  }
  if (status == QT_OK) *a.count = math::AddCounts(*a.count, 1);
  return status;
}

}  // namespace qt::cpu::QT_ISA
