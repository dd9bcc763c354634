// fixed_multiplier and requantize_fixed. Integers only, so every instruction set gives the same bits.
#include "cpu/kernel.h"
#include "cpu/points.h"
#include "math/fixed_point.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Contract>
struct Requantized {
  const int32_t* acc;
  // Per channel, repeated.
  const int32_t* bias;
  const int32_t* multiplier;
  const int32_t* shift;
  math::FixedLimits limits;

  static constexpr int64_t kLine = 16;
  void Fetch(int64_t i) const { FetchAhead(acc + i); }
  template <class T>
  auto At(int64_t i, int64_t at) const {
    const Integer<T> sum = AddInt(LoadIntAs<T>(acc + i), LoadIntAs<T>(bias + at));
    const Integer<T> v = Contract::Scale(sum, LoadIntAs<T>(multiplier + at),
                                         LoadIntAs<T>(shift + at));
    return SpotOf(math::FixedCode(v, limits), math::FixedPasses(v, limits));
  }
  void Finish(int64_t) const {}
};

template <class Contract, class Code>
qt_status Requantize(qt_context& ctx, const qt_requantize_fixed_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  if (n == 0) return QT_OK;
  const int64_t size = RepeatedTable(channels);
  int32_t* const bias = ScratchArray<int32_t>(ctx, 3 * size);
  if (bias == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* const multiplier = bias + size;
  int32_t* const shift = multiplier + size;
  FillTable(bias, size, channels, a.bias, 0);
  FillTable(multiplier, size, channels, a.multiplier, 0);
  FillTable(shift, size, channels, a.shift, 0);
  const Requantized<Contract> op = {
      a.acc, bias, multiplier, shift,
      math::MakeFixedLimits(a.qmin, a.qmax, *a.zero_point, a.relu != 0)};
  Code* const codes = static_cast<Code*>(a.codes);
  if (a.mask != nullptr) {
    ForEachPoint<true>(ctx, n, channels, codes, a.mask, 5 * n, /*in_place=*/false, op);
  } else {
    ForEachPoint<false>(ctx, n, channels, codes, nullptr, 5 * n, /*in_place=*/false, op);
  }
  return QT_OK;
}

template <class Contract>
qt_status Requantize(qt_context& ctx, const qt_requantize_fixed_args& a) {
  return a.code_type == QT_U8 ? Requantize<Contract, uint8_t>(ctx, a)
                              : Requantize<Contract, int8_t>(ctx, a);
}

}  // namespace

qt_status fixed_multiplier(qt_context&, const qt_fixed_multiplier_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    const math::FixedMultiplier k =
        math::MultiplierOf(*a.x_scale, a.w_scale[c], *a.y_scale, a.form);
    a.multiplier[c] = k.m;
    a.shift[c] = k.shift;
  }
  return QT_OK;
}

qt_status requantize_fixed(qt_context& ctx, const qt_requantize_fixed_args& a) {
  switch (a.contract) {
    case QT_FIXED_DOUBLE:
      return Requantize<math::FixedDouble>(ctx, a);
    case QT_FIXED_SINGLE:
      return Requantize<math::FixedSingle>(ctx, a);
    case QT_FIXED_RUY:
      return Requantize<math::FixedRuy>(ctx, a);
    case QT_POWER_OF_TWO_EVEN:
      return Requantize<math::PowerOfTwoEven>(ctx, a);
    case QT_POWER_OF_TWO_AWAY:
      return Requantize<math::PowerOfTwoAway>(ctx, a);
    default:
      return Requantize<math::PowerOfTwoUp>(ctx, a);
  }
}

}  // namespace qt::cpu::QT_ISA
