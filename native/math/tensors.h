// Elementwise operations with one and two operands, their gradients, and the arithmetic of softmax and
// layer norm. A kind is a template argument, so that each is a branch-free loop of its own.
// Derivation, kinks and values at the ends: NUMERICS.md, "Tensors".
#ifndef QUANTRAIN_MATH_TENSORS_H_
#define QUANTRAIN_MATH_TENSORS_H_

#include "include/quantrain.h"
#include "math/elementary.h"
#include "math/layers.h"

namespace qt::math {

// What arithmetic on numbers made: a NaN has the same bits everywhere.
QT_HD float Made(float y) { return y == y ? y : BitsFloat(0x7fc00000u); }

QT_HD float Within(float x, float low, float high) {
  const float y = x < low ? low : x;
  return y > high ? high : y;
}

// ---- one operand

// 1 / (1 + e^-|x|) and the part that is missing to 1, without cancellation.
struct SigmoidParts {
  float large, small;
};

QT_HD SigmoidParts SplitSigmoid(float x) {
  const float e = Exp(-fabsf(x));
  const float large = 1.0f / (1.0f + e);
  return {large, e * large};
}

QT_HD float Sigmoid(float x) {
  const SigmoidParts s = SplitSigmoid(x);
  return x > 0.0f ? s.large : s.small;
}

// The argument of tanh in GELU's approximation.
QT_HD float GeluArgument(float x) {
  return 0.797884561f * (x + 0.044715f * (x * x * x));
}

// -Inf as the largest negative number: its product with 0 is -0, not NaN.
QT_HD float FiniteBelow(float x) { return x < -3.40282347e+38f ? -3.40282347e+38f : x; }

// Of numbers; Unary is what a NaN passes.
template <int kKind>
QT_HD float UnaryOfNumber(float x, float alpha, float beta) {
  if constexpr (kKind == QT_UNARY_AFFINE) return alpha * x + beta;
  if constexpr (kKind == QT_UNARY_ABS) return BitsFloat(FloatBits(x) & 0x7fffffffu);
  if constexpr (kKind == QT_UNARY_EXP) return Exp(x);
  if constexpr (kKind == QT_UNARY_LOG) return Log(x);
  if constexpr (kKind == QT_UNARY_SQRT) return sqrtf(x);
  if constexpr (kKind == QT_UNARY_RECIPROCAL) return 1.0f / x;
  if constexpr (kKind == QT_UNARY_SQUARE) return x * x;
  if constexpr (kKind == QT_UNARY_POW) return Pow(x, alpha);
  if constexpr (kKind == QT_UNARY_SIGMOID) return Sigmoid(x);
  if constexpr (kKind == QT_UNARY_TANH) return Tanh(x);
  if constexpr (kKind == QT_UNARY_ERF) return Erf(x);
  if constexpr (kKind == QT_UNARY_GELU) {
    return 0.5f * FiniteBelow(x) * (1.0f + Erf(x * 0.707106781f));
  }
  if constexpr (kKind == QT_UNARY_GELU_TANH) {
    return 0.5f * FiniteBelow(x) * (1.0f + Tanh(GeluArgument(x)));
  }
  if constexpr (kKind == QT_UNARY_HARD_SIGMOID) return Within(alpha * x + beta, 0.0f, 1.0f);
  if constexpr (kKind == QT_UNARY_HARD_SWISH) {
    return FiniteBelow(x) * Within(x * (1.0f / 6.0f) + 0.5f, 0.0f, 1.0f);
  }
  if constexpr (kKind == QT_UNARY_SILU) return FiniteBelow(x) * Sigmoid(x);
  if constexpr (kKind == QT_UNARY_SOFTPLUS) return (x > 0.0f ? x : 0.0f) + Log1P(Exp(-fabsf(x)));
  if constexpr (kKind == QT_UNARY_LEAKY_RELU) return LeakyRelu(x, x, alpha);
  if constexpr (kKind == QT_UNARY_ELU) return x > 0.0f ? x : alpha * ExpM1(x);
  if constexpr (kKind == QT_UNARY_CLIP) return Within(x, alpha, beta);
}

template <int kKind>
QT_HD float Unary(float x, float alpha, float beta) {
  return x == x ? Made(UnaryOfNumber<kKind>(x, alpha, beta)) : x;
}

// f'(x) of numbers. Beyond 9.5 the derivatives of GELU are 0 (to 1e-18) and 1; the ends keep their
// terms from becoming 0 * Inf, and from denormals, which cost a processor more than the formula.
template <int kKind>
QT_HD float UnaryDerivative(float x, float alpha, float beta) {
  if constexpr (kKind == QT_UNARY_AFFINE) return alpha;
  if constexpr (kKind == QT_UNARY_ABS) return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : 0.0f;
  if constexpr (kKind == QT_UNARY_EXP) return Exp(x);
  if constexpr (kKind == QT_UNARY_LOG) return 1.0f / x;
  if constexpr (kKind == QT_UNARY_SQRT) return 0.5f / sqrtf(x);
  if constexpr (kKind == QT_UNARY_RECIPROCAL) {
    const float y = 1.0f / x;
    return -(y * y);
  }
  if constexpr (kKind == QT_UNARY_SQUARE) return 2.0f * x;
  if constexpr (kKind == QT_UNARY_POW) return alpha == 0.0f ? 0.0f : alpha * Pow(x, alpha - 1.0f);
  if constexpr (kKind == QT_UNARY_SIGMOID) {
    const SigmoidParts s = SplitSigmoid(x);
    return s.large * s.small;
  }
  if constexpr (kKind == QT_UNARY_TANH) {
    const SigmoidParts s = SplitSigmoid(x + x);
    return 4.0f * (s.large * s.small);
  }
  if constexpr (kKind == QT_UNARY_ERF) return 1.12837917f * Exp(-(x * x));
  if constexpr (kKind == QT_UNARY_GELU) {
    const float t = Within(x, -9.5f, 9.5f);
    return 0.5f * (1.0f + Erf(t * 0.707106781f)) + t * (0.398942280f * Exp(-0.5f * (t * t)));
  }
  if constexpr (kKind == QT_UNARY_GELU_TANH) {
    const float t = Within(x, -9.5f, 9.5f);
    const float u = GeluArgument(t);
    const SigmoidParts s = SplitSigmoid(u + u);
    const float slope = 0.797884561f * (1.0f + 0.134145f * (t * t));
    return 0.5f * (1.0f + Tanh(u)) + 2.0f * t * ((s.large * s.small) * slope);
  }
  if constexpr (kKind == QT_UNARY_HARD_SIGMOID) {
    const float y = alpha * x + beta;
    return (y > 0.0f) & (y < 1.0f) ? alpha : 0.0f;
  }
  if constexpr (kKind == QT_UNARY_HARD_SWISH) {
    const float inside = x * (1.0f / 3.0f) + 0.5f;
    return x <= -3.0f ? 0.0f : x >= 3.0f ? 1.0f : inside;
  }
  if constexpr (kKind == QT_UNARY_SILU) {
    const float t = Within(x, -104.0f, 104.0f);
    const SigmoidParts s = SplitSigmoid(t);
    return t > 0.0f ? s.large * (1.0f + t * s.small) : s.small * (1.0f + t * s.large);
  }
  if constexpr (kKind == QT_UNARY_SOFTPLUS) return Sigmoid(x);
  if constexpr (kKind == QT_UNARY_LEAKY_RELU) return x > 0.0f ? 1.0f : alpha;
  if constexpr (kKind == QT_UNARY_ELU) return x > 0.0f ? 1.0f : alpha * Exp(x);
  if constexpr (kKind == QT_UNARY_CLIP) return (x > alpha) & (x < beta) ? 1.0f : 0.0f;
}

template <int kKind>
QT_HD float UnaryGradient(float x, float dy, float alpha, float beta) {
  const float dx = Made(dy * UnaryDerivative<kKind>(x, alpha, beta));
  return x == x ? (dy == dy ? dx : dy) : x;
}

// ---- two operands

template <int kKind>
QT_HD float BinaryOfNumbers(float a, float b) {
  if constexpr (kKind == QT_BINARY_ADD) return a + b;
  if constexpr (kKind == QT_BINARY_SUB) return a - b;
  if constexpr (kKind == QT_BINARY_MUL) return a * b;
  if constexpr (kKind == QT_BINARY_DIV) return a / b;
  if constexpr (kKind == QT_BINARY_MIN) return a < b ? a : b;
  if constexpr (kKind == QT_BINARY_MAX) return a > b ? a : b;
  if constexpr (kKind == QT_BINARY_SLOPE) return a > 0.0f ? 1.0f : b;
}

template <int kKind>
QT_HD float Binary(float a, float b) {
  if constexpr (kKind == QT_BINARY_EQUAL) return a == b ? 1.0f : 0.0f;
  if constexpr (kKind == QT_BINARY_LESS) return a < b ? 1.0f : 0.0f;
  if constexpr (kKind <= QT_BINARY_SLOPE) {
    return a == a ? (b == b ? Made(BinaryOfNumbers<kKind>(a, b)) : b) : a;
  }
}

template <class Real>
QT_HD Real Where(float condition, Real a, Real b) {
  return condition != 0.0f ? a : b;
}

// ---- reductions: sums are double; of extremes a NaN stays, and the zero that remains is +0

template <int kKind>
struct Reduction {
  using Total = double;
  QT_HD Total Zero() { return 0.0; }
  QT_HD Total Of(float x) { return static_cast<double>(x); }
  QT_HD Total Combine(Total a, Total b) { return a + b; }
  QT_HD float Result(Total total, int64_t n) {
    return static_cast<float>(kKind == QT_REDUCE_MEAN ? total / static_cast<double>(n) : total);
  }
};

// The first NaN, else the larger (kMax) or smaller number.
template <bool kMax>
struct Extreme {
  using Total = float;
  QT_HD Total Zero() { return BitsFloat(kMax ? 0xff800000u : 0x7f800000u); }
  QT_HD Total Of(float x) { return x; }
  QT_HD Total Combine(Total a, Total b) {
    const float extreme = (kMax ? a > b : a < b) ? a : b;  // b where one is NaN
    return a == a ? extreme : a;
  }
  QT_HD float Result(Total total, int64_t) { return Made(total + 0.0f); }
};

template <>
struct Reduction<QT_REDUCE_MAX> : Extreme<true> {};
template <>
struct Reduction<QT_REDUCE_MIN> : Extreme<false> {};

// ---- rows: sums are double, in kRowLanes lanes (lane j adds the elements j, j + 16, ...) that are added
// pairwise, on every machine

constexpr int kRowLanes = 16;

// A row's exponential over their sum. A NaN that arose in either has the same bits everywhere.
QT_HD float Softmax(float e, float sum) { return Made(e / sum); }

// dot = sum of dy * y.
template <class T>
QT_HD T SoftmaxGradient(T y, T dy, T dot) {
  return y * (dy - dot);
}

struct RowMoments {
  float mean, rstd;
};

// As MomentsOfShifted.
QT_HD RowMoments MomentsOfRow(float shift, double sum, double squares, double n, float epsilon) {
  const FloatMoments m = MomentsOfShifted(shift, sum, squares, n);
  return {m.mean, static_cast<float>(1.0 / sqrt(static_cast<double>(m.var) +
                                                static_cast<double>(epsilon)))};
}

template <class T>
QT_HD T LayerNormXhat(T x, T mean, T rstd) {
  return (x - mean) * rstd;
}

template <class T>
QT_HD T LayerNorm(T x, T mean, T rstd, T gamma, T beta) {
  return LayerNormXhat(x, mean, rstd) * gamma + beta;
}

// A term of a sum: exact.
QT_HD double Product(float a, float b) { return static_cast<double>(a) * static_cast<double>(b); }

// g = dy * gamma; mean_g and mean_g_xhat are means over the row.
template <class T>
QT_HD T LayerNormGradient(T g, T x_hat, T rstd, T mean_g, T mean_g_xhat) {
  return rstd * ((g - mean_g) - x_hat * mean_g_xhat);
}

// ---- from a number in the arguments to a template argument: f is called with a Kind<k>

template <int kValue>
struct Kind {
  static constexpr int value = kValue;
};

template <class F>
static inline auto WithUnary(int32_t kind, F f) {
  switch (kind) {
    case QT_UNARY_AFFINE: return f(Kind<QT_UNARY_AFFINE>());
    case QT_UNARY_ABS: return f(Kind<QT_UNARY_ABS>());
    case QT_UNARY_EXP: return f(Kind<QT_UNARY_EXP>());
    case QT_UNARY_LOG: return f(Kind<QT_UNARY_LOG>());
    case QT_UNARY_SQRT: return f(Kind<QT_UNARY_SQRT>());
    case QT_UNARY_RECIPROCAL: return f(Kind<QT_UNARY_RECIPROCAL>());
    case QT_UNARY_SQUARE: return f(Kind<QT_UNARY_SQUARE>());
    case QT_UNARY_POW: return f(Kind<QT_UNARY_POW>());
    case QT_UNARY_SIGMOID: return f(Kind<QT_UNARY_SIGMOID>());
    case QT_UNARY_TANH: return f(Kind<QT_UNARY_TANH>());
    case QT_UNARY_ERF: return f(Kind<QT_UNARY_ERF>());
    case QT_UNARY_GELU: return f(Kind<QT_UNARY_GELU>());
    case QT_UNARY_GELU_TANH: return f(Kind<QT_UNARY_GELU_TANH>());
    case QT_UNARY_HARD_SIGMOID: return f(Kind<QT_UNARY_HARD_SIGMOID>());
    case QT_UNARY_HARD_SWISH: return f(Kind<QT_UNARY_HARD_SWISH>());
    case QT_UNARY_SILU: return f(Kind<QT_UNARY_SILU>());
    case QT_UNARY_SOFTPLUS: return f(Kind<QT_UNARY_SOFTPLUS>());
    case QT_UNARY_LEAKY_RELU: return f(Kind<QT_UNARY_LEAKY_RELU>());
    case QT_UNARY_ELU: return f(Kind<QT_UNARY_ELU>());
    default: return f(Kind<QT_UNARY_CLIP>());
  }
}

template <class F>
static inline auto WithBinary(int32_t kind, F f) {
  switch (kind) {
    case QT_BINARY_ADD: return f(Kind<QT_BINARY_ADD>());
    case QT_BINARY_SUB: return f(Kind<QT_BINARY_SUB>());
    case QT_BINARY_MUL: return f(Kind<QT_BINARY_MUL>());
    case QT_BINARY_DIV: return f(Kind<QT_BINARY_DIV>());
    case QT_BINARY_MIN: return f(Kind<QT_BINARY_MIN>());
    case QT_BINARY_MAX: return f(Kind<QT_BINARY_MAX>());
    case QT_BINARY_SLOPE: return f(Kind<QT_BINARY_SLOPE>());
    case QT_BINARY_EQUAL: return f(Kind<QT_BINARY_EQUAL>());
    default: return f(Kind<QT_BINARY_LESS>());
  }
}

template <class F>
static inline auto WithReduce(int32_t kind, F f) {
  switch (kind) {
    case QT_REDUCE_SUM: return f(Kind<QT_REDUCE_SUM>());
    case QT_REDUCE_MEAN: return f(Kind<QT_REDUCE_MEAN>());
    case QT_REDUCE_MAX: return f(Kind<QT_REDUCE_MAX>());
    default: return f(Kind<QT_REDUCE_MIN>());
  }
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_TENSORS_H_
