// From accumulators and codes to the codes of the next tensor: the contracts of the ONNX Runtime
// target on x86, operation by operation in its order. Every clamp is in float before the
// conversion. Derivation: NUMERICS.md, "Requantize" and "Windows and pooling".
#ifndef QUANTRAIN_MATH_REQUANTIZE_H_
#define QUANTRAIN_MATH_REQUANTIZE_H_

#include "math/integer.h"
#include "math/quantize.h"

namespace qt::math {

// A template's T is float and its I int32, or vectors of them.

// keep * acc + bias in int32 (keep is 0 or 1). Wraps instead of being undefined; the exporter
// proves that it never does.
template <class I>
QT_HD I AddBias(I acc, I keep, I bias) {
  return AddInt(acc & SubtractInt(I(0), keep), bias);
}

// (sx * sw) / sy in float32, left to right; out_scale is sx * sw already rounded.
QT_HD float Multiplier(float out_scale, float y_scale) { return out_scale / y_scale; }

// sx / (sy * n): the association of the global average pool.
QT_HD float PoolMultiplier(float x_scale, float y_scale, float count) {
  return x_scale / (y_scale * count);
}

// An integer-valued x with |x| < 2^24; what is beyond, and NaN as if it were -Inf, stays at +-2^24.
QT_HD int32_t FloatToAcc(float x) {
  return static_cast<int32_t>(Clamp(x, -16777216.0f, 16777216.0f));
}

// Real value behind an accumulator.
template <class I, class T>
QT_HD T DequantizeAcc(I sum, T out_scale) {
  return ToFloat(sum) * out_scale;
}

// FP32_RNE before its clamp. int32 to float rounds to nearest even.
template <class I, class T>
QT_HD T RequantizeLevel(I sum, T multiplier) {
  return ToFloat(sum) * multiplier;
}

// lo = qmin - z (with ReLU: max(0, that)), hi = qmax - z.
struct RequantizeEnds {
  float lo, hi;
};

QT_HD RequantizeEnds MakeRequantizeEnds(int32_t qmin, int32_t qmax, float zero_point, bool relu) {
  const float least = static_cast<float>(qmin) - zero_point;
  return {relu && least < 0.0f ? 0.0f : least, static_cast<float>(qmax) - zero_point};
}

// FP32_RNE. The zero-point is outside the rounding.
template <class T>
QT_HD T RequantizeCode(T level, T lo, T hi, T zero_point) {
  return Rint(Clamp(level, lo, hi)) + zero_point;
}

// A divisor for many quotients. A division by a power of two is a multiplication by its reciprocal,
// bit for bit: both round the same number once.
struct Divisor {
  float value, reciprocal;
  bool multiplies;
};

QT_HD Divisor MakeDivisor(float value) {
  const uint32_t bits = FloatBits(value);
  // 2^-126 .. 2^126: the reciprocal is no denormal.
  const bool power = (bits & 0x7fffffu) == 0 && bits >= 0x00800000u && bits <= 0x7e800000u;
  return {value, power ? 1.0f / value : 0.0f, power};
}

QT_HD float Quotient(float x, const Divisor& d) {
  return d.multiplies ? x * d.reciprocal : x / d.value;
}

// QLinearAveragePool: sum = sum of s * (q - z) in float, row-major over the window. The zero-point
// is inside the rounding.
QT_HD float AveragePoolLevel(float sum, const Divisor& count, const Divisor& y_scale,
                             float y_zero_point) {
  return Quotient(Quotient(sum, count), y_scale) + y_zero_point;
}

// TFLite's integer average: sum / count, halves away from 0. Exact in float while |sum| + count / 2
// < 2^24: the quotient of two such integers lies nearer to its own integer part than half a unit in
// the last place.
QT_HD int32_t AverageRounded(int32_t sum, const Divisor& count) {
  const int32_t half = static_cast<int32_t>(count.value) / 2;
  const int32_t nudged = sum > 0 ? sum + half : sum - half;
  return static_cast<int32_t>(Quotient(static_cast<float>(nudged), count));
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_REQUANTIZE_H_
