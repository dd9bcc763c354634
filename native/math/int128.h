// Integers of 128 bits for exact statistics: the pair [low, high] of the API, and one correctly
// rounded conversion to double that uses only shifts and the conversion of a positive int64, so
// that hosts and devices agree.
#ifndef QUANTRAIN_MATH_INT128_H_
#define QUANTRAIN_MATH_INT128_H_

#include "math/hd.h"

namespace qt::math {

__extension__ typedef unsigned __int128 Uint128;

// The API's pair of 64-bit words, low word first.
QT_HD Uint128 LoadUint128(const int64_t* words) {
  return (static_cast<Uint128>(static_cast<uint64_t>(words[1])) << 64) |
         static_cast<uint64_t>(words[0]);
}

QT_HD void StoreUint128(Uint128 value, int64_t* words) {
  words[0] = static_cast<int64_t>(static_cast<uint64_t>(value));
  words[1] = static_cast<int64_t>(static_cast<uint64_t>(value >> 64));
}

// Nearest double, ties to even.
QT_HD double Uint128ToDouble(Uint128 value) {
  double power = 1.0;
  bool sticky = false;
  // Down to 63 bits; what is shifted out only matters as "not zero".
  while ((value >> 63) != 0) {
    sticky = sticky || (static_cast<uint64_t>(value) & 1u) != 0;
    value >>= 1;
    power *= 2.0;
  }
  const int64_t top = static_cast<int64_t>(static_cast<uint64_t>(value)) | (sticky ? 1 : 0);
  return static_cast<double>(top) * power;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_INT128_H_
