// Integers modulo 2^32 or 2^64: what a sum does on every processor, where the language leaves an
// overflow undefined.
#ifndef QUANTRAIN_MATH_INTEGER_H_
#define QUANTRAIN_MATH_INTEGER_H_

#include "math/hd.h"

namespace qt::math {

QT_HD int32_t AddInt(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

QT_HD int64_t AddInt(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}

QT_HD int32_t SubtractInt(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) - static_cast<uint32_t>(b));
}

QT_HD int32_t MultiplyInt(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) * static_cast<uint32_t>(b));
}

// Rounds to nearest even.
QT_HD float ToFloat(int32_t x) { return static_cast<float>(x); }

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_INTEGER_H_
