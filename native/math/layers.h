// Float layers, one element at a time: batch norm, ReLU, pooling.
// Evaluation order is as written (the build forbids contraction), so elementwise results are the
// same bits everywhere. Derivation: NUMERICS.md, "Float layers".
#ifndef QUANTRAIN_MATH_LAYERS_H_
#define QUANTRAIN_MATH_LAYERS_H_

#include "math/hd.h"

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

QT_HD float BatchNormXhat(float x, float mean, float std) { return (x - mean) / std; }

QT_HD float BatchNorm(float x, float mean, float std, float gamma, float beta) {
  return BatchNormXhat(x, mean, std) * gamma + beta;
}

// Gradient to x where mean and var are this batch's: mean_dy = sum(dy) / rows, mean_dy_xhat =
// sum(dy * x_hat) / rows.
QT_HD float BatchNormGradient(float dy, float x_hat, float gamma, float inv_std, float mean_dy,
                              float mean_dy_xhat) {
  return (gamma * inv_std) * ((dy - mean_dy) - x_hat * mean_dy_xhat);
}

// Gradient to x where mean and var are constants.
QT_HD float BatchNormGradientFrozen(float dy, float gamma, float inv_std) {
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

QT_HD bool IsFinite(float x) { return (FloatBits(x) & 0x7f800000u) != 0x7f800000u; }

// min(max(x, 0), upper). NaN stays as it is, bit by bit: a device's minimum would make it its own NaN.
// -0 becomes +0.
QT_HD float Relu(float x, float upper) {
  const float low = x <= 0.0f ? 0.0f : x;
  const float y = low > upper ? upper : low;
  return x == x ? y : x;
}

QT_HD float ReluGradient(float y, float dy, float upper) {
  return (y > 0.0f) & (y < upper) ? dy : 0.0f;
}

// dy through the branch that x took: with dy = x the function itself. A NaN dy stays as it is.
QT_HD float LeakyRelu(float x, float dy, float slope) {
  return (x > 0.0f) | (dy != dy) ? dy : slope * dy;
}

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
