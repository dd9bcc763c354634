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
  // A shuffle gives 0 where bit 7 of the index is set: so it does for codes of another part.
  const __m256i bias = _mm256_set1_epi8(0x70);
  for (; i + 32 <= n; i += 32) {
    const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i));
    __m256i found = _mm256_setzero_si256();
#pragma GCC unroll 16
    for (int k = 0; k < 16; ++k) {
      const __m256i part = _mm256_broadcastsi128_si256(
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(table + 16 * k)));
      const __m256i own = _mm256_xor_si256(code, _mm256_set1_epi8(static_cast<char>(16 * k)));
      found = _mm256_or_si256(found, _mm256_shuffle_epi8(part, _mm256_adds_epu8(own, bias)));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i), found);
  }
#endif
  for (; i < n; ++i) y[i] = table[x[i]];
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_LOOKUP_H_
