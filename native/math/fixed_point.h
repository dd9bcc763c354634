// From accumulators to codes without floating point: the fixed-point contracts of TFLite, ruy and
// XNNPACK. A multiplier is m * 2^(shift - 31) with m in [2^30, 2^31), or 0. Everything is int32
// arithmetic modulo 2^32 with 64-bit products, so nothing is undefined; the exporter's bound on
// accumulators keeps values away from the wrap. Derivation: NUMERICS.md, "Fixed-point contracts".
#ifndef QUANTRAIN_MATH_FIXED_POINT_H_
#define QUANTRAIN_MATH_FIXED_POINT_H_

#include "include/quantrain.h"
#include "math/integer.h"
#include "math/quantize.h"
#include "math/truth.h"

namespace qt::math {

// A template's I is int32 or a vector of int32.

QT_HD int32_t LargerInt(int32_t a, int32_t b) { return a > b ? a : b; }
QT_HD int32_t SmallerInt(int32_t a, int32_t b) { return a < b ? a : b; }

template <class I>
QT_HD I ClampInt(I v, I lo, I hi) {
  return SmallerInt(LargerInt(v, lo), hi);
}

QT_HD int32_t ShiftLeft(int32_t x, int32_t n) {
  return static_cast<int32_t>(static_cast<uint32_t>(x) << n);
}

// x / 2^n rounded to nearest, n in 0..31; the name says where a tie goes. floor + 1 where the
// remainder exceeds what the tie rule allows: no sum that could overflow.
template <class I>
QT_HD I ShiftRight(I x, I n, I tie_stays) {
  const I mask = SubtractInt(ShiftLeft(I(1), n), I(1));
  const I rounds_down = AddInt(mask >> I(1), tie_stays);
  return AddInt(x >> n, OneWhere((x & mask) > rounds_down));
}
template <class I>
QT_HD I ShiftRightUp(I x, I n) {
  return ShiftRight(x, n, I(0));
}
template <class I>
QT_HD I ShiftRightAway(I x, I n) {
  return ShiftRight(x, n, OneWhere(I(0) > x));
}
template <class I>
QT_HD I ShiftRightEven(I x, I n) {
  return ShiftRight(x, n, SubtractInt(I(1), (x >> n) & I(1)));
}

// Of a shift: how far to the left, and how far to the right.
template <class I>
QT_HD I LeftPart(I shift) {
  return LargerInt(shift, I(0));
}
template <class I>
QT_HD I RightPart(I shift) {
  return LargerInt(SubtractInt(I(0), shift), I(0));
}

// x * m / 2^31 rounded half up. gemmlowp's doubling high multiplication, which adds a nudge of
// x * m's sign and truncates, is the same number for m >= 0. A logical shift: only the low 32 bits
// are kept.
QT_HD int32_t HighProduct(int32_t x, int32_t m) {
  const int64_t product = static_cast<int64_t>(x) * m + (int64_t{1} << 30);
  return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(product) >> 31));
}

// x * m * 2^(shift - 31) rounded once, half up; shift in -31..30. The bit below the last one says
// whether to round up.
QT_HD int32_t ScaleOnce(int32_t x, int32_t m, int32_t shift) {
  const int64_t n = 31 - static_cast<int64_t>(shift);  // 1..62
  const int64_t product = static_cast<int64_t>(x) * m;
  return static_cast<int32_t>(static_cast<uint32_t>((product >> n) + (product >> (n - 1) & 1)));
}

// One contract each: the accumulator x scaled by (m, shift).
struct FixedDouble {  // TFLite, gemmlowp: two roundings, the second with ties away from 0
  template <class I>
  QT_HD I Scale(I x, I m, I shift) {
    return ShiftRightAway(HighProduct(ShiftLeft(x, LeftPart(shift)), m), RightPart(shift));
  }
};
struct FixedSingle {  // TFLite with single rounding
  template <class I>
  QT_HD I Scale(I x, I m, I shift) {
    return ScaleOnce(x, m, shift);
  }
};
struct FixedRuy {  // ruy on x86: two roundings, ties up in both
  template <class I>
  QT_HD I Scale(I x, I m, I shift) {
    return ShiftRightUp(HighProduct(ShiftLeft(x, LeftPart(shift)), m), RightPart(shift));
  }
};
// A factor of 2^shift; there is no m.
struct PowerOfTwoEven {
  template <class I>
  QT_HD I Scale(I x, I, I shift) {
    return ShiftRightEven(ShiftLeft(x, LeftPart(shift)), RightPart(shift));
  }
};
struct PowerOfTwoAway {
  template <class I>
  QT_HD I Scale(I x, I, I shift) {
    return ShiftRightAway(ShiftLeft(x, LeftPart(shift)), RightPart(shift));
  }
};
struct PowerOfTwoUp {
  template <class I>
  QT_HD I Scale(I x, I, I shift) {
    return ShiftRightUp(ShiftLeft(x, LeftPart(shift)), RightPart(shift));
  }
};

// From a scaled accumulator v to its code: the zero-point is added after the clamp, so that it
// cannot overflow. With ReLU codes are >= z, and only v > 0 passes a gradient.
struct FixedLimits {
  int32_t lo, hi, first_passing, zero_point;
};

QT_HD FixedLimits MakeFixedLimits(int32_t qmin, int32_t qmax, int32_t zero_point, bool relu) {
  const int32_t lo = SubtractInt(qmin, zero_point), hi = SubtractInt(qmax, zero_point);
  return {relu && lo < 0 ? 0 : lo, hi, relu && lo < 1 ? 1 : lo, zero_point};
}

template <class I>
QT_HD I FixedCode(I v, const FixedLimits& l) {
  return AddInt(ClampInt(v, I(l.lo), I(l.hi)), I(l.zero_point));
}
template <class I>
QT_HD auto FixedPasses(I v, const FixedLimits& l) {
  return Both(v >= I(l.first_passing), v <= I(l.hi));
}

struct FixedMultiplier {
  int32_t m, shift;
};

// value = m * 2^(shift - 31), m rounded half up (value is positive). Below 2^-32 it is 0; from 2^30
// on the largest multiplier. 0, negative values, denormals and NaN give 0.
QT_HD FixedMultiplier MakeFixedMultiplier(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  const int32_t field = static_cast<int32_t>(bits >> 52);  // of a negative value: above 2047
  const uint64_t fraction = bits & ((uint64_t{1} << 52) - 1);
  if (field == 0 || field > 2047 || (field == 2047 && fraction != 0)) return {0, 0};
  int64_t m = static_cast<int64_t>((fraction + (uint64_t{1} << 52) + (uint64_t{1} << 21)) >> 22);
  int32_t shift = field - 1022;
  if (m == int64_t{1} << 31) {
    m /= 2;
    ++shift;
  }
  if (shift < -31) return {0, 0};
  if (shift > 30) return {INT32_MAX, 30};
  return {static_cast<int32_t>(m), shift};
}

// The exponent of a power of two, cut to what a contract shifts by.
QT_HD int32_t ShiftOf(double power_of_two) {
  uint64_t bits;
  memcpy(&bits, &power_of_two, sizeof(bits));
  return ClampInt(static_cast<int32_t>(bits >> 52) - 1023, -31, 30);
}

// What is to be scaled by: (sx * sw) / sy in double, or with the product rounded to float first.
QT_HD double RealMultiplier(float x_scale, float w_scale, float y_scale, bool float_product) {
  const double x = static_cast<double>(x_scale), w = static_cast<double>(w_scale);
  const double product = float_product ? static_cast<double>(x_scale * w_scale) : x * w;
  return product / static_cast<double>(y_scale);
}

// By qt_multiplier_form.
QT_HD FixedMultiplier MultiplierOf(float x_scale, float w_scale, float y_scale, int32_t form) {
  const double real =
      RealMultiplier(x_scale, w_scale, y_scale, form == QT_MULTIPLIER_FLOAT_PRODUCT);
  if (form == QT_MULTIPLIER_POWER_OF_TWO) return {1, ShiftOf(real)};
  return MakeFixedMultiplier(real);
}

// TFLite's ADD: both inputs on a common grid of 2 * max(sa, sb) / 2^20, where the sum is exact, and
// from there to the output's.
struct TfliteAdd {
  using Number = int32_t;
  int32_t a_zero_point, b_zero_point, y_zero_point;
  FixedMultiplier a, b, y;
};

// The sum on the output's grid, zero-point included, before the clamp; a and b are codes.
template <class I>
QT_HD I Level(const TfliteAdd& k, I a, I b) {
  const I da = ShiftLeft(SubtractInt(a, I(k.a_zero_point)), I(20));
  const I db = ShiftLeft(SubtractInt(b, I(k.b_zero_point)), I(20));
  const I sum = AddInt(FixedDouble::Scale(da, I(k.a.m), I(k.a.shift)),
                       FixedDouble::Scale(db, I(k.b.m), I(k.b.shift)));
  return AddInt(FixedDouble::Scale(sum, I(k.y.m), I(k.y.shift)), I(k.y_zero_point));
}

QT_HD TfliteAdd MakeTfliteAdd(float a_scale, int32_t a_zero_point, float b_scale,
                              int32_t b_zero_point, float y_scale, int32_t y_zero_point) {
  const double twice = 2.0 * static_cast<double>(a_scale > b_scale ? a_scale : b_scale);
  TfliteAdd k;
  k.a_zero_point = a_zero_point;
  k.b_zero_point = b_zero_point;
  k.y_zero_point = y_zero_point;
  k.a = MakeFixedMultiplier(static_cast<double>(a_scale) / twice);
  k.b = MakeFixedMultiplier(static_cast<double>(b_scale) / twice);
  k.y = MakeFixedMultiplier(twice / (1048576.0 * static_cast<double>(y_scale)));
  return k;
}

// XNNPACK's ADD: the larger of sa / sy and sb / sy becomes a multiplier of 21 bits, one shift for
// both, one rounding half up.
struct XnnpackAdd {
  using Number = int32_t;
  int32_t bias, a, b, shift, y_zero_point;
};

// |bias + a * k.a + b * k.b| < 2^30 + 2 * 255 * 2^21 < 2^31.
template <class I>
QT_HD I Level(const XnnpackAdd& k, I a, I b) {
  const I sum = AddInt(MultiplyInt(a, I(k.a)), MultiplyInt(b, I(k.b)));
  return AddInt(AddInt(I(k.bias), sum) >> I(k.shift), I(k.y_zero_point));
}

// XNNPACK takes ratios in [2^-10, 2^8); outside the exponent is held at the nearest it takes, so
// that every value has a defined result.
QT_HD XnnpackAdd MakeXnnpackAdd(float a_scale, int32_t a_zero_point, float b_scale,
                                int32_t b_zero_point, float y_scale, int32_t y_zero_point) {
  const float a = a_scale / y_scale, b = b_scale / y_scale;
  const int32_t exponent =
      ClampInt(static_cast<int32_t>(FloatBits(a > b ? a : b) >> 23) - 127, -10, 7);
  XnnpackAdd k;
  k.shift = 20 - exponent;
  const float power = BitsFloat(static_cast<uint32_t>(k.shift + 127) << 23);
  // At most 2^21; what is beyond is held at the ends, NaN at 0.
  const float most = 2097152.0f;
  k.a = static_cast<int32_t>(Clamp(rintf(a * power), 0.0f, most));
  k.b = static_cast<int32_t>(Clamp(rintf(b * power), 0.0f, most));
  k.bias = SubtractInt(SubtractInt(1 << (k.shift - 1), MultiplyInt(k.a, a_zero_point)),
                       MultiplyInt(k.b, b_zero_point));
  k.y_zero_point = y_zero_point;
  return k;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_FIXED_POINT_H_
