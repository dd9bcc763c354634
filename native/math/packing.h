// Codes of 1..8 bits without gaps between them, eight at a time in one 64-bit word: the word of
// codes holds code k in byte k, the packed word holds it at bits k * bits. Little-endian bit order,
// so with 4 bits the first of a pair is the low nibble. Derivation: NUMERICS.md, "Packing". Word:
// uint64_t, or a compiler's vector of them.
#ifndef QUANTRAIN_MATH_PACKING_H_
#define QUANTRAIN_MATH_PACKING_H_

#include "math/hd.h"

namespace qt::math {

// In three steps: codes to pairs, pairs to fours, fours to the word. Both halves of a step are masked
// apart, because with more than 4 bits they overlap where they come from.
template <class Word>
QT_HD Word PackWord(Word codes, int32_t bits) {
  const int32_t gap = 8 - bits;
  const uint64_t one = ((uint64_t{1} << bits) - 1) * 0x0001000100010001u;
  const uint64_t two = ((uint64_t{1} << 2 * bits) - 1) * 0x0000000100000001u;
  const uint64_t four = (uint64_t{1} << 4 * bits) - 1;
  Word v = (codes & one) | (codes & one << 8) >> gap;
  v = (v & two) | (v & two << 16) >> 2 * gap;
  return (v & four) | (v & four << 32) >> 4 * gap;
}

// Bits of packed from 8 * bits on are ignored.
template <class Word>
QT_HD Word UnpackWord(Word packed, int32_t bits) {
  const int32_t gap = 8 - bits;
  const uint64_t one = ((uint64_t{1} << bits) - 1) * 0x0001000100010001u;
  const uint64_t two = ((uint64_t{1} << 2 * bits) - 1) * 0x0000000100000001u;
  const uint64_t four = (uint64_t{1} << 4 * bits) - 1;
  Word v = (packed & four) | (packed & four << 4 * bits) << 4 * gap;
  v = (v & two) | (v & two << 2 * bits) << 2 * gap;
  return (v & one) | (v & one << bits) << gap;
}

// Two's complement of `bits` bits in each byte to one of 8 bits: where the sign bit 2^(bits-1) is
// set, 2^8 - 2^bits is added, which stays inside the byte.
template <class Word>
QT_HD Word ExtendSigns(Word codes, int32_t bits) {
  const Word sign = codes & ((uint64_t{1} << (bits - 1)) * 0x0101010101010101u);
  return codes | ((sign << (9 - bits)) - (sign << 1));
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_PACKING_H_
