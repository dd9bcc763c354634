// Batch norm around an integer convolution: exact statistics, absorption into the channel's scale,
// the deployed fold and its rule for degenerate channels, and the correction of the two-convolution
// fold. Per-channel work, so double is free here; what elementwise kernels use is rounded to float
// once. Derivation: NUMERICS.md, "Batch norm".
#ifndef QUANTRAIN_MATH_BATCH_NORM_H_
#define QUANTRAIN_MATH_BATCH_NORM_H_

#include "math/int128.h"
#include "math/integer.h"
#include "math/layers.h"
#include "math/quantize.h"
#include "math/range.h"

namespace qt::math {

constexpr double kBiasLimit =
    1073741824.0;  // 2^30: leaves the other half of int32 to the accumulator

// rows * S2 - S1^2 as an integer, converted once. Never negative (Cauchy-Schwarz); below 2^124 for
// rows < 2^31.
QT_HD double CenteredSquares(int64_t rows, int64_t sum, Uint128 sum_squares) {
  const uint64_t magnitude = sum < 0 ? 0u - static_cast<uint64_t>(sum) : static_cast<uint64_t>(sum);
  return Uint128ToDouble(static_cast<Uint128>(rows) * sum_squares -
                         static_cast<Uint128>(magnitude) * magnitude);
}

struct ChannelMoments {
  double mean;
  double var;           // biased
  double var_unbiased;  // rows / (rows - 1) of it; the biased one for a single row
};

// Moments of unit * acc. unit = sx * sw is exact in double (24 + 24 bits).
QT_HD ChannelMoments MomentsOfSums(int64_t rows, int64_t sum, Uint128 sum_squares, double unit) {
  const double n = static_cast<double>(rows);
  const double squares = CenteredSquares(rows, sum, sum_squares) * (unit * unit);
  ChannelMoments m;
  m.mean = unit * (static_cast<double>(sum) / n);
  m.var = squares / (n * n);
  m.var_unbiased = rows > 1 ? squares / (n * (n - 1.0)) : m.var;
  return m;
}

QT_HD float StandardDeviation(double var, float epsilon) {
  return static_cast<float>(sqrt(var + static_cast<double>(epsilon)));
}

QT_HD float InverseStd(double var, float epsilon) {
  return static_cast<float>(1.0 / sqrt(var + static_cast<double>(epsilon)));
}

// |gamma| / sigma, the factor that moves into the channel's scale.
QT_HD float FoldGain(float gamma, float inv_std) { return fabsf(gamma) * inv_std; }

// The real bias: beta + (conv_bias - mean) * gamma / sigma, with shift = conv_bias - mean in the
// sign convention of signed_gain (gamma / sigma for conv(x, W); |gamma| / sigma for conv(x,
// sign(gamma) * W)).
QT_HD double FoldBias(float beta, double shift, float signed_gain) {
  return static_cast<double>(beta) + shift * static_cast<double>(signed_gain);
}

// Smallest float that is >= v (v >= 0, or NaN).
QT_HD float RoundUpToFloat(double v) {
  const float f = static_cast<float>(v);
  return static_cast<double>(f) < v ? BitsFloat(FloatBits(f) + 1u) : f;
}

// The smallest normal out_scale for which |bias / out_scale| <= 2^30.
QT_HD float SmallestOutScale(double bias) {
  const float least = RoundUpToFloat(fabs(bias) / kBiasLimit);
  return least > kFloatMin ? least : kFloatMin;
}

// The smallest normal weight scale for which float32(x_scale * scale) reaches out_scale.
QT_HD float SmallestWeightScale(float x_scale, float out_scale) {
  if (x_scale <= 0.0f) return kFloatMin;  // only in a device's memory: nothing reaches out_scale
  float s = out_scale / x_scale;
  if (!(s > kFloatMin)) s = kFloatMin;
  if (s - s != 0.0f) return s;  // Inf: an Inf bias is found by the next kernel's check
  // The quotient is within a few units of the last place: walk to the boundary (Inf ends both
  // walks).
  while (x_scale * s < out_scale) s = BitsFloat(FloatBits(s) + 1u);
  while (s > kFloatMin && x_scale * BitsFloat(FloatBits(s) - 1u) >= out_scale)
    s = BitsFloat(FloatBits(s) - 1u);
  return s;
}

// Nearest integer to bias / out_scale, saturated at +-2^30; NaN gives 0.
QT_HD int32_t QuantizeBias(double bias, float out_scale) {
  double q = rint(bias / static_cast<double>(out_scale));
  if (q != q) return 0;
  q = q > -kBiasLimit ? q : -kBiasLimit;
  q = q < kBiasLimit ? q : kBiasLimit;
  return static_cast<int32_t>(q);
}

struct Absorbed {
  float out_scale;
  int32_t bias;
  int32_t keep;
};

// y = out_scale * (keep * acc + bias) = gain * (sx * sw * acc - mean) + beta.
QT_HD Absorbed AbsorbBatchNorm(float x_scale, float w_scale, float gain, float beta, double mean) {
  const double bias = FoldBias(beta, -mean, gain);
  const float least = SmallestOutScale(bias);
  Absorbed a;
  a.out_scale = x_scale * (w_scale * gain);
  a.keep = a.out_scale < least ? 0 : 1;  // NaN keeps itself and is found by the next kernel's check
  if (a.keep == 0) a.out_scale = least;
  a.bias = QuantizeBias(bias, a.out_scale);
  return a;
}

// ---- the one-convolution fold: o = conv(x, Q(W * g)), g = gamma / sqrt(fold_var + epsilon), and batch
// norm of u = o / g, written without the division: epsilon becomes epsilon * g^2.

QT_HD double OneConvEpsilon(float gamma, float fold_var, float epsilon) {
  const double e = static_cast<double>(epsilon), g = static_cast<double>(gamma);
  return e * (g * g) / (static_cast<double>(fold_var) + e);
}

// 1 / sqrt(var(o) + epsilon * g^2), or 0 where the deviation of o is no normal float: the channel's
// weights quantize to (nearly) nothing and o says nothing of u.
QT_HD float OneConvInverseStd(double var, double one_conv_epsilon) {
  return sqrt(var) < static_cast<double>(kFloatMin)
             ? 0.0f
             : static_cast<float>(1.0 / sqrt(var + one_conv_epsilon));
}

// |gamma| * inv_std; there 1, what it is on average where sigma_r is the deviation of u.
QT_HD float OneConvGain(float gamma, float inv_std) {
  return inv_std == 0.0f ? 1.0f : FoldGain(gamma, inv_std);
}

// d inv_std-scaled output / d gamma keeps this share: gamma is in epsilon * g^2 as well.
QT_HD float OneConvGammaShare(float inv_std, double one_conv_epsilon) {
  const double i = static_cast<double>(inv_std);
  return static_cast<float>(1.0 - one_conv_epsilon * (i * i));
}

// What a channel's statistics become.
struct ChannelNorm {
  float inv_std, gain;
  float mean, var;  // for the running statistics, without the convolution's bias
  bool known;       // whether those say anything
};

// fold_var < 0 stands for weights that are not folded.
QT_HD ChannelNorm NormOfMoments(const ChannelMoments& m, float gamma, float fold_var,
                                float epsilon) {
  ChannelNorm n;
  if (fold_var < 0.0f) {
    n.inv_std = InverseStd(m.var, epsilon);
    n.gain = FoldGain(gamma, n.inv_std);
    // The codes carry sign(gamma); running statistics do not.
    n.mean = Sign(gamma) * static_cast<float>(m.mean);
    n.var = static_cast<float>(m.var_unbiased);
    n.known = true;
    return n;
  }
  const double g = static_cast<double>(gamma) * (1.0 / sqrt(static_cast<double>(fold_var) +
                                                            static_cast<double>(epsilon)));
  n.inv_std = OneConvInverseStd(m.var, OneConvEpsilon(gamma, fold_var, epsilon));
  n.gain = OneConvGain(gamma, n.inv_std);
  n.known = n.inv_std != 0.0f && g != 0.0;
  n.mean = n.known ? static_cast<float>(m.mean / g) : 0.0f;
  n.var = n.known ? static_cast<float>(m.var_unbiased / (g * g)) : 0.0f;
  return n;
}

// The smallest weight scale at which a channel with this real bias can be deployed.
QT_HD float LeastFoldScale(float x_scale, double bias) {
  return SmallestWeightScale(x_scale, SmallestOutScale(bias));
}

// The de-quantized weight before its fold: sign * scale * code with the code of sign * w.
QT_HD float UnfoldedWeight(float w, float sign, float scale, float qmin, float qmax) {
  return sign * Dequantize(Quantize(w * sign, scale, 0.0f, qmin, qmax), scale, 0.0f);
}

// Gradient of gamma through the deployed form: weight_sum = sum(dw_folded * w_hat), shift =
// conv_bias - mean.
QT_HD float FoldGammaGradient(double weight_sum, float dbias, double shift, float inv_std) {
  return static_cast<float>(static_cast<double>(inv_std) *
                            (weight_sum + static_cast<double>(dbias) * shift));
}

// Correction of the two-convolution fold: y = out_scale * (acc + bias).
QT_HD void CorrectFold(float x_scale, float w_scale, float gamma, float beta, double batch_mean,
                       float batch_var, float running_var, float epsilon, float* out_scale,
                       int32_t* bias) {
  const float sigma_batch = StandardDeviation(batch_var, epsilon);
  const float ratio = StandardDeviation(running_var, epsilon) / sigma_batch;
  const float s = (x_scale * w_scale) * ratio;
  *out_scale = s < kFloatMin ? kFloatMin : s;
  const double b = static_cast<double>(beta) - static_cast<double>(gamma) * batch_mean /
                                                   static_cast<double>(sigma_batch);
  *bias = QuantizeBias(b, *out_scale);
}

// (unit * acc - mean) / sigma with unit = sx * sw in float32.
template <class I, class T>
QT_HD T NormalizedAcc(I acc, T unit, T mean, T inv_std) {
  return (ToFloat(acc) * unit - mean) * inv_std;
}

// Gradient through batch statistics: gain * (d - mean(d) - x_hat * mean(d * x_hat)).
template <class T>
QT_HD T NormalizedGradient(T d, T x_hat, T gain, T mean_d, T mean_d_x_hat) {
  return gain * ((d - mean_d) - x_hat * mean_d_x_hat);
}

// Gradient of the batch mean and standard deviation carried to one of rows values:
// mean_share = dmean / rows, std_share = dsigma / (sigma * rows).
QT_HD float StatisticsGradient(float x, float mean, float mean_share, float std_share) {
  return mean_share + (x - mean) * std_share;
}

// Running statistics of the two-convolution fold, and the variance that this step folds with.
QT_HD float UpdateFoldStatistics(float batch_mean, float batch_var, float conv_bias, float rows,
                                 float momentum, bool updated, float* running_mean,
                                 float* running_var) {
  const float before = *running_var;
  *running_mean = MovingAverage(*running_mean, batch_mean + conv_bias, momentum);
  *running_var = MovingAverage(before, UnbiasedVariance(batch_var, rows), momentum);
  return updated ? *running_var : before;
}

// Per-channel gradients of the correction, from sum_d = sum(d) and sum_do = sum(d * o).
struct CorrectionGradient {
  float dgamma, dmean, dsigma, dconv_bias;
};

QT_HD CorrectionGradient GradientOfCorrection(float sum_d, float sum_do, float gamma,
                                              float batch_mean, float sigma_batch,
                                              float sigma_running, bool frozen) {
  CorrectionGradient g;
  g.dconv_bias = sum_d * gamma / sigma_batch;  // of a frozen fold; otherwise there is none
  g.dgamma = -sum_d * batch_mean / sigma_batch;
  if (frozen) {
    g.dmean = g.dsigma = 0.0f;
    return g;
  }
  g.dmean = -sum_d * gamma / sigma_batch;
  g.dsigma = (sum_d * gamma * batch_mean - sum_do * sigma_running) / (sigma_batch * sigma_batch);
  return g;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_BATCH_NORM_H_
