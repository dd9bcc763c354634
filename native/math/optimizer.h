// Optimizers, one parameter at a time. Evaluation order is as written (the build forbids
// contraction): the same bits everywhere. Derivation: NUMERICS.md, "Loss and optimizers".
#ifndef QUANTRAIN_MATH_OPTIMIZER_H_
#define QUANTRAIN_MATH_OPTIMIZER_H_

#include "math/hd.h"

namespace qt::math {

// First segment whose end lies beyond element i.
QT_HD int64_t SegmentOf(const int64_t* segment_end, int64_t segments, int64_t i) {
  int64_t low = 0, high = segments - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (segment_end[middle] > i) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// ---- SGD with momentum

QT_HD float SgdVelocity(float param, float grad, float velocity, float decay, float momentum) {
  return momentum * velocity + (grad + decay * param);
}

QT_HD float SgdParam(float param, float velocity, float learning_rate) {
  return param - learning_rate * velocity;
}

// velocity is the new one.
QT_HD float SgdParamNesterov(float param, float grad, float velocity, float decay, float momentum,
                             float learning_rate) {
  return param - learning_rate * ((grad + decay * param) + momentum * velocity);
}

// ---- AdamW

// What a step's elements share; mean and square are divided by their bias.
struct AdamStep {
  float learning_rate, beta1, beta2, epsilon;
  float mean_bias, square_bias;  // 1 - beta^t
};

// 1 - beta^t for t >= 1. Squarings and products in double, low bits of t first: one order, so the
// same bits everywhere, and no pow of a library.
QT_HD float AdamBias(float beta, int64_t t) {
  double power = 1.0, square = static_cast<double>(beta);
  for (; t > 0; t >>= 1) {
    if ((t & 1) != 0) power *= square;
    square *= square;
  }
  return static_cast<float>(1.0 - power);
}

QT_HD AdamStep AdamStepOf(float learning_rate, float beta1, float beta2, float epsilon, int64_t t) {
  t = t > 1 ? t : 1;
  return {learning_rate, beta1, beta2, epsilon, AdamBias(beta1, t), AdamBias(beta2, t)};
}

QT_HD float AdamMean(const AdamStep& step, float mean, float grad) {
  return step.beta1 * mean + (1.0f - step.beta1) * grad;
}

QT_HD float AdamSquare(const AdamStep& step, float square, float grad) {
  return step.beta2 * square + (1.0f - step.beta2) * (grad * grad);
}

// mean and square are the new ones.
QT_HD float AdamParam(const AdamStep& step, float param, float mean, float square, float decay) {
  const float direction =
      (mean / step.mean_bias) / (sqrtf(square / step.square_bias) + step.epsilon);
  return (param - (step.learning_rate * decay) * param) - step.learning_rate * direction;
}

// ---- gradient norm

// 0 where the sum was of a gradient that is not finite; a norm of 0 leaves it as it is.
QT_HD float ClipFactor(float norm, float max_norm, bool finite) {
  const float shrink = norm > max_norm ? max_norm / norm : 1.0f;
  return finite ? shrink : 0.0f;
}

// A factor of 0 must not keep NaN.
QT_HD float Clipped(float grad, float factor) { return factor == 0.0f ? 0.0f : grad * factor; }

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_OPTIMIZER_H_
