// Softmax cross-entropy of one row: shifted[j] = logit[j] - max, sum_exp = sum of exp(shifted), so
// that log p[j] = shifted[j] - log sum_exp. Derivation: NUMERICS.md, "Loss and optimizers".
#ifndef QUANTRAIN_MATH_LOSS_H_
#define QUANTRAIN_MATH_LOSS_H_

#include "math/hd.h"

namespace qt::math {

// Lanes of a sum over classes: lane j adds the classes j, j + 16, ..., then lanes pairwise, on every
// machine.
constexpr int kClassLanes = 16;

// -(1 - smoothing) * log p[label] - smoothing / classes * sum log p[j]. The last term is 0, or NaN
// where a logit is NaN or infinite.
QT_HD float CrossEntropy(float log_sum_exp, float shifted_label, float sum_shifted, float smoothing,
                         float classes) {
  const float at_label = (1.0f - smoothing) * shifted_label;
  return (log_sum_exp - (at_label + (smoothing / classes) * sum_shifted)) + 0.0f * sum_shifted;
}

// (p - target) / rows with target = smoothing / classes (+ 1 - smoothing at the label).
QT_HD float CrossEntropyGradient(float exp_shifted, float sum_exp, float target, float rows) {
  return (exp_shifted / sum_exp - target) / rows;
}

// ---- distillation

// -sum t[j] log p[j] with t[j] = teacher_exp[j] / teacher_sum, both softened; cross = sum of
// teacher_exp[j] * shifted[j]. The last term is 0, or NaN where a logit is NaN or infinite.
QT_HD float SoftCrossEntropy(float log_sum_exp, float cross, float teacher_sum, float sum_shifted) {
  return (log_sum_exp - cross / teacher_sum) + 0.0f * sum_shifted;
}

QT_HD float DistilledLoss(float hard, float soft, float temperature, float soft_weight) {
  return (1.0f - soft_weight) * hard + (soft_weight * (temperature * temperature)) * soft;
}

// hard: of CrossEntropyGradient; p and t softened.
QT_HD float DistilledGradient(float hard, float p, float t, float temperature, float soft_weight,
                              float rows) {
  return (1.0f - soft_weight) * hard + ((soft_weight * temperature) * (p - t)) / rows;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_LOSS_H_
