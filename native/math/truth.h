// Truths that formulas combine: of a number, or of every lane of a vector of numbers, where && and
// ?: do not exist.
#ifndef QUANTRAIN_MATH_TRUTH_H_
#define QUANTRAIN_MATH_TRUTH_H_

#include "math/hd.h"

namespace qt::math {

QT_HD bool Both(bool a, bool b) { return a & b; }
QT_HD bool EqualInt(int32_t a, int32_t b) { return a == b; }
QT_HD int32_t OneWhere(bool a) { return a ? 1 : 0; }
// holds ? a : b by bits: a compiler may turn chains of ternaries into branches, which do not
// vectorize.
QT_HD float Choose(bool holds, float a, float b) {
  const uint32_t mask = 0u - static_cast<uint32_t>(holds);
  return BitsFloat((FloatBits(a) & mask) | (FloatBits(b) & ~mask));
}
// x where the condition holds, else +0. By bits: a compiler may move what only one arm of a ternary
// uses into a branch, and loads in branches do not vectorize.
QT_HD float Where(bool holds, float x) {
  return BitsFloat(FloatBits(x) & (0u - static_cast<uint32_t>(holds)));
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_TRUTH_H_
