// Float layers, one element at a time: batch norm, ReLU, pooling. A template's T is float or a vector.
// Evaluation order is as written (the build forbids contraction), so elementwise results are the
// same bits everywhere. Derivation: NUMERICS.md, "Float layers".
#ifndef QUANTRAIN_MATH_LAYERS_H_
#define QUANTRAIN_MATH_LAYERS_H_

#include "math/bf16.h"
#include "math/quantize.h"
#include "math/truth.h"

namespace qt::math {

// ---- batch norm: x_hat = (x - mean) / std, y = x_hat * gamma + beta; std as in batch_norm.h

// x - shift without rounding error to speak of: exact but for numbers 2^29 apart.
QT_HD double Shifted(float x, float shift) {
  return static_cast<double>(x) - static_cast<double>(shift);
}

struct FloatMoments {
  float mean, var;
};

// Mean and biased variance of `rows` numbers from sum(x - shift) and sum((x - shift)^2), shift being
// one of the numbers. Then (shift - mean)^2 < rows * var, so the difference below cancels at most
// log2(rows) of the 53 bits: each moment is the float next to the true one, or its neighbour.
QT_HD FloatMoments MomentsOfShifted(float shift, double sum, double squares, double rows) {
  const double mean = sum / rows;
  const double var = squares / rows - mean * mean;
  FloatMoments m;
  m.mean = static_cast<float>(static_cast<double>(shift) + mean);
  m.var = static_cast<float>(var < 0.0 ? 0.0 : var);
  return m;
}

template <class T>
QT_HD T BatchNormXhat(T x, T mean, T std) {
  return (x - mean) / std;
}

template <class T>
QT_HD T BatchNorm(T x, T mean, T std, T gamma, T beta) {
  return BatchNormXhat(x, mean, std) * gamma + beta;
}

// Gradient to x where mean and var are this batch's: mean_dy = sum(dy) / rows, mean_dy_xhat =
// sum(dy * x_hat) / rows.
template <class T>
QT_HD T BatchNormGradient(T dy, T x_hat, T gamma, T inv_std, T mean_dy, T mean_dy_xhat) {
  return (gamma * inv_std) * ((dy - mean_dy) - x_hat * mean_dy_xhat);
}

// Gradient to x where mean and var are constants.
template <class T>
QT_HD T BatchNormGradientFrozen(T dy, T gamma, T inv_std) {
  return dy * gamma * inv_std;
}

// sum(dy * x_hat) from sum(dy * (x - mean)).
QT_HD float GammaGradient(double sum, float std) {
  return static_cast<float>(sum / static_cast<double>(std));
}

// Biased variance to the unbiased one that running statistics keep; one row has no unbiased
// variance and keeps 0.
QT_HD float UnbiasedVariance(float var, float rows) {
  return rows > 1.0f ? var * (rows / (rows - 1.0f)) : var;
}

// ---- activation and pooling

// What is not finite leaves NaN.
template <class T>
QT_HD auto IsFinite(T x) {
  return Equal(x - x, T(0.0f));
}

// min(max(x, 0), upper). NaN stays as it is, bit by bit: a device's minimum would make it its own NaN.
// -0 becomes +0.
template <class T>
QT_HD T Relu(T x, T upper) {
  return Choose(Equal(x, x), Smaller(Larger(x, T(0.0f)), upper), x);
}

template <class T>
QT_HD T ReluGradient(T y, T dy, T upper) {
  return Choose(Both(y > T(0.0f), y < upper), dy, T(0.0f));
}

// dy through the branch that x took: with dy = x the function itself. A NaN dy stays as it is.
template <class T>
QT_HD T LeakyRelu(T x, T dy, T slope) {
  return Choose((T(0.0f) < x) | !Equal(dy, dy), dy, slope * dy);
}

// Max pooling compares numbers as floats and codes as they are.
template <class T>
QT_HD T ToCompare(T x) {
  return x;
}
QT_HD float ToCompare(Bf16 x) { return Widen(x); }
template <class T>
QT_HD void StoreCompared(T value, T* to) {
  *to = value;
}
QT_HD void StoreCompared(float value, Bf16* to) { Narrow(value, to); }

// What a window without any cell inside the input holds.
template <class T>
QT_HD T Lowest() {
  if (sizeof(T) > 1) return static_cast<T>(BitsFloat(0xff800000u));  // -Inf
  return static_cast<T>(-1) > 0 ? static_cast<T>(0) : static_cast<T>(-128);
}

// Whether the next cell of a window replaces the maximum so far: the first of equals stays, and so
// does the first NaN.
template <class T>
QT_HD bool MaxReplaces(T next, T best) {
  return !(next <= best) & (best == best);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_LAYERS_H_
