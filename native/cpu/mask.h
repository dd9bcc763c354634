// Bit masks: element i is bit (i % 8) of byte (i / 8), unused bits of the last byte are 0. Packing
// and selecting go 16, 32 or 64 elements at a time. Ranges begin at a multiple of 64 elements, so
// threads never share a byte.
#ifndef QUANTRAIN_CPU_MASK_H_
#define QUANTRAIN_CPU_MASK_H_

// First, because it brings the intrinsics used below.
#include "cpu/kernel.h"

#include <stdint.h>
#include <string.h>

#include "math/bf16.h"

namespace qt::cpu::QT_ISA {

// Packs n flags (words, 0 or -1) into (n + 7) / 8 mask bytes. A loop over floats makes a word at no
// cost; narrowing it to a byte would take longer than the quantizer.
inline void PackMask(const int32_t* flags, int64_t n, uint8_t* mask) {
  int64_t i = 0;
#if defined(__AVX512DQ__)
  for (; i + 16 <= n; i += 16) {
    const uint16_t bits = _mm512_movepi32_mask(_mm512_loadu_si512(flags + i));
    memcpy(mask + i / 8, &bits, 2);
  }
#elif defined(__AVX2__)
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(reinterpret_cast<const float*>(flags + i));
    mask[i / 8] = static_cast<uint8_t>(_mm256_movemask_ps(v));
  }
#elif defined(__SSE2__)
  for (; i + 8 <= n; i += 8) {
    const __m128 a = _mm_loadu_ps(reinterpret_cast<const float*>(flags + i));
    const __m128 b = _mm_loadu_ps(reinterpret_cast<const float*>(flags + i + 4));
    mask[i / 8] = static_cast<uint8_t>(_mm_movemask_ps(a) | _mm_movemask_ps(b) << 4);
  }
#endif
  for (; i < n; i += 8) {
    unsigned bits = 0;
    for (int64_t j = i; j < n && j < i + 8; ++j) {
      bits |= static_cast<unsigned>(flags[j] & 1) << (j - i);
    }
    mask[i / 8] = static_cast<uint8_t>(bits);
  }
}

// Packs n flags (bytes, 0 or 1) into (n + 7) / 8 mask bytes.
inline void PackMask(const uint8_t* flags, int64_t n, uint8_t* mask) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 64 <= n; i += 64) {
    const __m512i v = _mm512_loadu_si512(flags + i);
    const uint64_t bits = _mm512_test_epi8_mask(v, v);
    memcpy(mask + i / 8, &bits, 8);
  }
#elif defined(__AVX2__)
  for (; i + 32 <= n; i += 32) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(flags + i));
    const uint32_t bits = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_slli_epi16(v, 7)));
    memcpy(mask + i / 8, &bits, 4);
  }
#elif defined(__SSE2__)
  for (; i + 16 <= n; i += 16) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(flags + i));
    const uint16_t bits = static_cast<uint16_t>(_mm_movemask_epi8(_mm_slli_epi16(v, 7)));
    memcpy(mask + i / 8, &bits, 2);
  }
#endif
  for (; i < n; i += 8) {
    unsigned bits = 0;
    for (int64_t j = i; j < n && j < i + 8; ++j) bits |= static_cast<unsigned>(flags[j]) << (j - i);
    mask[i / 8] = static_cast<uint8_t>(bits);
  }
}

// out[i] = bit i of mask ? x[i] : +0 for i in [0, n). mask points at the byte of element 0. out may
// be x.
inline void MaskSelect(const float* x, const uint8_t* mask, int64_t n, float* out) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16) {
    uint16_t bits;
    memcpy(&bits, mask + i / 8, 2);
    _mm512_storeu_ps(out + i, _mm512_maskz_loadu_ps(bits, x + i));
  }
#elif defined(__AVX2__)
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  for (; i + 8 <= n; i += 8) {
    const __m256i byte = _mm256_and_si256(_mm256_set1_epi32(mask[i / 8]), bit);
    const __m256 keep = _mm256_castsi256_ps(_mm256_cmpeq_epi32(byte, bit));
    _mm256_storeu_ps(out + i, _mm256_and_ps(keep, _mm256_loadu_ps(x + i)));
  }
#elif defined(__SSE2__)
  const __m128i low = _mm_setr_epi32(1, 2, 4, 8), high = _mm_setr_epi32(16, 32, 64, 128);
  for (; i + 8 <= n; i += 8) {
    const __m128i byte = _mm_set1_epi32(mask[i / 8]);
    const __m128 a = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_and_si128(byte, low), low));
    const __m128 b = _mm_castsi128_ps(_mm_cmpeq_epi32(_mm_and_si128(byte, high), high));
    const __m128 xa = _mm_loadu_ps(x + i), xb = _mm_loadu_ps(x + i + 4);
    _mm_storeu_ps(out + i, _mm_and_ps(a, xa));
    _mm_storeu_ps(out + i + 4, _mm_and_ps(b, xb));
  }
#endif
  for (; i < n; ++i) out[i] = (mask[i / 8] >> (i % 8)) & 1 ? x[i] : 0.0f;
}

inline void MaskSelect(const math::Bf16* x, const uint8_t* mask, int64_t n, math::Bf16* out) {
  int64_t i = 0;
#if defined(__AVX512BW__)
  for (; i + 32 <= n; i += 32) {
    uint32_t bits;
    memcpy(&bits, mask + i / 8, 4);
    _mm512_storeu_si512(out + i, _mm512_maskz_loadu_epi16(bits, x + i));
  }
#elif defined(__SSE2__)
  const __m128i bit = _mm_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128);
  for (; i + 8 <= n; i += 8) {
    const __m128i byte = _mm_set1_epi16(mask[i / 8]);
    const __m128i keep = _mm_cmpeq_epi16(_mm_and_si128(byte, bit), bit);
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm_and_si128(keep, v));
  }
#endif
  for (; i < n; ++i) out[i] = (mask[i / 8] >> (i % 8)) & 1 ? x[i] : math::Bf16{0};
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_MASK_H_
