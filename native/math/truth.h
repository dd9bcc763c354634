// Truths that formulas combine: of a number, or of every lane of a vector of numbers, where && and
// ?: do not exist.
#ifndef QUANTRAIN_MATH_TRUTH_H_
#define QUANTRAIN_MATH_TRUTH_H_

#include "math/hd.h"

namespace qt::math {

QT_HD bool Both(bool a, bool b) { return a & b; }
QT_HD bool EqualInt(int32_t a, int32_t b) { return a == b; }
QT_HD float Choose(bool a, float yes, float no) { return a ? yes : no; }
QT_HD int32_t OneWhere(bool a) { return a ? 1 : 0; }

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_TRUTH_H_
