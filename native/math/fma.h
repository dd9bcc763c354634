// Fused multiply-add with the same bits on every instruction set.
#ifndef QUANTRAIN_MATH_FMA_H_
#define QUANTRAIN_MATH_FMA_H_

#include "math/hd.h"

namespace qt::math {

// a * b + c rounded once, from double operations. The product of two floats is exact in double.
// The sum is rounded to odd: where its error (exact, by Knuth's two-sum) is not 0 and its last bit
// is even, it is moved by one unit towards the error. A number rounded to odd in 53 bits rounds to
// float as the exact one does, since 53 >= 2 * 24 + 2 (Boldo and Melquiond 2008, IEEE Transactions
// on Computers 57(4), theorem 3). Inf and NaN pass: their error is NaN.
QT_HD float FmaByDouble(float a, float b, float c) {
  const double product = static_cast<double>(a) * static_cast<double>(b);
  const double addend = static_cast<double>(c);
  const double sum = product + addend;
  const double part = sum - product;
  const double error = (product - (sum - part)) + (addend - part);
  int64_t bits, error_bits;
  memcpy(&bits, &sum, sizeof(bits));
  memcpy(&error_bits, &error, sizeof(error_bits));
  const int64_t towards_0 = static_cast<int64_t>(static_cast<uint64_t>(bits ^ error_bits) >> 63);
  const int64_t step = (error < 0.0) | (error > 0.0) ? 1 - 2 * towards_0 : 0;
  bits += step & ((bits & 1) - 1);
  double odd;
  memcpy(&odd, &bits, sizeof(odd));
  return static_cast<float>(odd);
}

// The instruction where there is one: the library's function would be called element by element.
QT_HD float Fma(float a, float b, float c) {
#if defined(QT_ISA) && defined(__x86_64__) && !defined(__FMA__)
  return FmaByDouble(a, b, c);
#else
  return fmaf(a, b, c);
#endif
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_FMA_H_
