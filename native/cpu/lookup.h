// y[i] = table[x[i]] for tables of 256 bytes: a function of one code, computed once per code. A
// processor's byte shuffle looks 16 entries up by 4 bits, so a table is 16 of those.
#ifndef QUANTRAIN_CPU_LOOKUP_H_
#define QUANTRAIN_CPU_LOOKUP_H_

// First, because it sets the target that the intrinsics below must match.
#include "cpu/kernel.h"

#include <stdint.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qt::cpu::QT_ISA {

#if defined(__AVX2__) && !defined(__AVX512BW__)
// Of the 2^kBits parts from kPart * 2^kBits on, by the low half of a code and a choice per bit of the
// upper half.
template <int kBits, int kPart>
inline __m256i Found(const uint8_t* table, __m256i index, const __m256i* upper) {
  if constexpr (kBits == 0) {
    const __m128i part = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * kPart));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(part), index);
  } else {
    return _mm256_blendv_epi8(Found<kBits - 1, 2 * kPart>(table, index, upper),
                              Found<kBits - 1, 2 * kPart + 1>(table, index, upper),
                              upper[kBits - 1]);
  }
}
#endif

inline void Lookup(const uint8_t* table, const uint8_t* x, int64_t n, uint8_t* y) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  // All 16 by the low half, then a choice per bit of the upper half.
  __m512i part[16];
#pragma GCC unroll 16
  for (int k = 0; k < 16; ++k) {
    // Not the form without a mask: gcc 12 takes its unused operand for an uninitialized variable.
    part[k] = _mm512_maskz_broadcast_i32x4(
        0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
  }
  const __m512i low = _mm512_set1_epi8(15);
  for (; i + 64 <= n; i += 64) {
    const __m512i code = _mm512_loadu_si512(x + i);
    const __m512i index = _mm512_and_si512(code, low);
    __m512i found[16];
#pragma GCC unroll 16
    for (int k = 0; k < 16; ++k) found[k] = _mm512_shuffle_epi8(part[k], index);
#pragma GCC unroll 4
    for (int bit = 0; bit < 4; ++bit) {
      const __mmask64 upper =
          _mm512_test_epi8_mask(code, _mm512_set1_epi8(static_cast<char>(16 << bit)));
#pragma GCC unroll 8
      for (int k = 0; k < 8 >> bit; ++k) {
        found[k] = _mm512_mask_mov_epi8(found[2 * k], upper, found[2 * k + 1]);
      }
    }
    _mm512_storeu_si512(y + i, found[0]);
  }
#elif defined(__AVX2__)
  const __m256i low = _mm256_set1_epi8(15);
  for (; i + 32 <= n; i += 32) {
    const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    // A choice looks at bit 7 of a byte.
    const __m256i upper[4] = {_mm256_slli_epi16(code, 3), _mm256_slli_epi16(code, 2),
                              _mm256_slli_epi16(code, 1), code};
    const __m256i found = Found<4, 0>(table, _mm256_and_si256(code, low), upper);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), found);
  }
#endif
  for (; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_LOOKUP_H_
