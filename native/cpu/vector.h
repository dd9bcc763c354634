// A vector of floats that the formulas of math/ take in place of a float, for loops that no compiler
// writes as they must be: results go past the caches straight from the register, and comparisons
// become bits of a mask. (A loop that writes a buffer which is then streamed fills the queue of
// stores with four entries where one does, and the processor looks a quarter as far ahead: measured
// at 0.55 of a copy instead of 0.95.) Every operation is the float one in each lane. Without AVX2
// there are no vectors (QT_VECTORS is 0), and the scalar loops do.
#ifndef QUANTRAIN_CPU_VECTOR_H_
#define QUANTRAIN_CPU_VECTOR_H_

// First, because it brings the intrinsics used below.
#include "cpu/kernel.h"

#include <string.h>

#include "math/bf16.h"

#if defined(__AVX2__) && defined(__FMA__)
#define QT_VECTORS 1
#else
#define QT_VECTORS 0
#endif

namespace qt::cpu::QT_ISA {

// Bytes ahead of a loop at which its input is fetched. The hardware's own prefetch ends with a
// page.
constexpr int64_t kAhead = 2048;

// Fetches one cache line, that far ahead.
template <class T>
inline void FetchAhead(const T* x) {
  __builtin_prefetch(reinterpret_cast<const char*>(x) + kAhead);
}

#if !QT_VECTORS

template <int, class T>
inline void FetchAhead(const T*) {}

#else

#if defined(__AVX512F__)

struct Vector {
  static constexpr int64_t kSize = 16;
  __m512 v;
  Vector() = default;
  explicit Vector(__m512 value) : v(value) {}
  explicit Vector(float value) : v(_mm512_set1_ps(value)) {}
};

inline Vector operator+(Vector a, Vector b) { return Vector(_mm512_add_ps(a.v, b.v)); }
inline Vector operator-(Vector a, Vector b) { return Vector(_mm512_sub_ps(a.v, b.v)); }
inline Vector operator*(Vector a, Vector b) { return Vector(_mm512_mul_ps(a.v, b.v)); }
inline Vector operator/(Vector a, Vector b) { return Vector(_mm512_div_ps(a.v, b.v)); }
inline Vector operator-(Vector a) {
  return Vector(_mm512_castsi512_ps(
      _mm512_xor_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(INT32_MIN))));
}
inline Vector Fma(Vector a, Vector b, Vector c) { return Vector(_mm512_fmadd_ps(a.v, b.v, c.v)); }
inline Vector Rint(Vector a) {
  return Vector(_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// The instructions give their second operand where one is NaN or both are equal.
inline Vector Larger(Vector a, Vector b) { return Vector(_mm512_max_ps(a.v, b.v)); }
inline Vector Smaller(Vector a, Vector b) { return Vector(_mm512_min_ps(a.v, b.v)); }

// A truth per lane.
struct Truths {
  __mmask16 m;
};
inline Truths Equal(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
inline uint64_t Bits(Truths t) { return t.m; }
inline Truths IsNan(Vector a) { return {_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q)}; }
inline Truths Never() { return {0}; }
inline Truths operator|(Truths a, Truths b) { return {static_cast<__mmask16>(a.m | b.m)}; }
inline Truths operator&(Truths a, Truths b) { return {static_cast<__mmask16>(a.m & b.m)}; }
inline Truths operator!(Truths a) { return {static_cast<__mmask16>(~a.m)}; }
inline Truths operator<(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline Truths operator<=(Vector a, Vector b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
// a where the truth holds, else b.
inline Vector Choose(Truths t, Vector a, Vector b) {
  return Vector(_mm512_mask_mov_ps(b.v, t.m, a.v));
}
inline void StoreVector(Vector a, float* out) { _mm512_storeu_ps(out, a.v); }
inline Vector Absolute(Vector a) { return Vector(_mm512_abs_ps(a.v)); }
// Of numbers.
inline float LargestLane(Vector a) { return _mm512_reduce_max_ps(a.v); }
// x where the truth holds, else +0.
inline Vector Where(Truths t, Vector x) { return Vector(_mm512_maskz_mov_ps(t.m, x.v)); }

inline Vector LoadVector(const float* x) { return Vector(_mm512_loadu_ps(x)); }
inline Vector LoadVector(const math::Bf16* x) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return Vector(_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
}
inline Vector LoadVector(const uint8_t* x) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(codes)));
}
inline Vector LoadVector(const int8_t* x) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes)));
}
inline Vector LoadVector(const uint16_t* x) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return Vector(_mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(codes)));
}
inline Vector LoadVector(const int16_t* x) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
  return Vector(_mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(codes)));
}

// kStream: past the caches; out is then a multiple of a register.
template <bool kStream>
inline void StoreRegister(__m512i a, void* out) {
  if constexpr (kStream) {
    _mm512_stream_si512(static_cast<__m512i*>(out), a);
  } else {
    _mm512_storeu_si512(out, a);
  }
}
inline __m512i Register(Vector a) { return _mm512_castps_si512(a.v); }

// Two registers of words, whose upper halves are 0 or the sign, as halves. Packing takes 128 bits of
// both in turn.
inline __m512i InOrder2(__m512i packed) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed);
}
inline __m512i Pack(__m512i a, __m512i b, const uint16_t*) {
  return InOrder2(_mm512_packus_epi32(a, b));
}
inline __m512i Pack(__m512i a, __m512i b, const int16_t*) {
  return InOrder2(_mm512_packs_epi32(a, b));
}
inline __m512i InOrder4(__m512i packed) {
  return _mm512_permutexvar_epi32(
      _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), packed);
}
inline __m512i Pack(__m512i a, __m512i b, __m512i c, __m512i d, const uint8_t*) {
  return InOrder4(_mm512_packus_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}
inline __m512i Pack(__m512i a, __m512i b, __m512i c, __m512i d, const int8_t*) {
  return InOrder4(_mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)));
}

// The integer that each lane is.
inline __m512i Integers(Vector a) { return _mm512_cvttps_epi32(a.v); }

// math::Narrow of each lane, in the lower half.
inline __m512i Bf16Bits(Vector a) {
  const __m512i bits = _mm512_castps_si512(a.v), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  const __m512i quiet = _mm512_or_si512(high, _mm512_set1_epi32(0x40));
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  return _mm512_mask_mov_epi32(_mm512_srli_epi32(sum, 16), nan, quiet);
}
inline void StoreVector(Vector a, math::Bf16* out) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm512_cvtepi32_epi16(Bf16Bits(a)));
}

#else  // AVX2

struct Vector {
  static constexpr int64_t kSize = 8;
  __m256 v;
  Vector() = default;
  explicit Vector(__m256 value) : v(value) {}
  explicit Vector(float value) : v(_mm256_set1_ps(value)) {}
};

inline Vector operator+(Vector a, Vector b) { return Vector(_mm256_add_ps(a.v, b.v)); }
inline Vector operator-(Vector a, Vector b) { return Vector(_mm256_sub_ps(a.v, b.v)); }
inline Vector operator*(Vector a, Vector b) { return Vector(_mm256_mul_ps(a.v, b.v)); }
inline Vector operator/(Vector a, Vector b) { return Vector(_mm256_div_ps(a.v, b.v)); }
inline Vector operator-(Vector a) {
  return Vector(_mm256_xor_ps(a.v, _mm256_set1_ps(-0.0f)));
}
inline Vector Fma(Vector a, Vector b, Vector c) { return Vector(_mm256_fmadd_ps(a.v, b.v, c.v)); }
inline Vector Rint(Vector a) {
  return Vector(_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
// The instructions give their second operand where one is NaN or both are equal.
inline Vector Larger(Vector a, Vector b) { return Vector(_mm256_max_ps(a.v, b.v)); }
inline Vector Smaller(Vector a, Vector b) { return Vector(_mm256_min_ps(a.v, b.v)); }

// A truth per lane.
struct Truths {
  __m256 m;
};
inline Truths Equal(Vector a, Vector b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
inline uint64_t Bits(Truths t) { return static_cast<unsigned>(_mm256_movemask_ps(t.m)); }
inline Truths IsNan(Vector a) { return {_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q)}; }
inline Truths Never() { return {_mm256_setzero_ps()}; }
inline Truths operator|(Truths a, Truths b) { return {_mm256_or_ps(a.m, b.m)}; }
inline Truths operator&(Truths a, Truths b) { return {_mm256_and_ps(a.m, b.m)}; }
inline Truths operator!(Truths a) {
  return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))};
}
inline Truths operator<(Vector a, Vector b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline Truths operator<=(Vector a, Vector b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
// a where the truth holds, else b.
inline Vector Choose(Truths t, Vector a, Vector b) {
  return Vector(_mm256_blendv_ps(b.v, a.v, t.m));
}
inline void StoreVector(Vector a, float* out) { _mm256_storeu_ps(out, a.v); }
inline Vector Absolute(Vector a) {
  return Vector(_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v));
}
// Of numbers.
inline float LargestLane(Vector a) {
  __m128 most = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  most = _mm_max_ps(most, _mm_movehl_ps(most, most));
  return _mm_cvtss_f32(_mm_max_ss(most, _mm_movehdup_ps(most)));
}
// x where the truth holds, else +0.
inline Vector Where(Truths t, Vector x) { return Vector(_mm256_and_ps(t.m, x.v)); }

inline Vector LoadVector(const float* x) { return Vector(_mm256_loadu_ps(x)); }
inline Vector LoadVector(const math::Bf16* x) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)));
}
inline Vector LoadVector(const uint8_t* x) {
  const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(codes)));
}
inline Vector LoadVector(const int8_t* x) {
  const __m128i codes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes)));
}
inline Vector LoadVector(const uint16_t* x) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(codes)));
}
inline Vector LoadVector(const int16_t* x) {
  const __m128i codes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x));
  return Vector(_mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(codes)));
}

// kStream: past the caches; out is then a multiple of a register.
template <bool kStream>
inline void StoreRegister(__m256i a, void* out) {
  if constexpr (kStream) {
    _mm256_stream_si256(static_cast<__m256i*>(out), a);
  } else {
    _mm256_storeu_si256(static_cast<__m256i*>(out), a);
  }
}
inline __m256i Register(Vector a) { return _mm256_castps_si256(a.v); }

// Two registers of words, whose upper halves are 0 or the sign, as halves. Packing takes 128 bits of
// both in turn.
inline __m256i InOrder2(__m256i packed) { return _mm256_permute4x64_epi64(packed, 0xd8); }
inline __m256i Pack(__m256i a, __m256i b, const uint16_t*) {
  return InOrder2(_mm256_packus_epi32(a, b));
}
inline __m256i Pack(__m256i a, __m256i b, const int16_t*) {
  return InOrder2(_mm256_packs_epi32(a, b));
}
inline __m256i InOrder4(__m256i packed) {
  return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
inline __m256i Pack(__m256i a, __m256i b, __m256i c, __m256i d, const uint8_t*) {
  return InOrder4(_mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)));
}
inline __m256i Pack(__m256i a, __m256i b, __m256i c, __m256i d, const int8_t*) {
  return InOrder4(_mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)));
}

// The integer that each lane is.
inline __m256i Integers(Vector a) { return _mm256_cvttps_epi32(a.v); }

// math::Narrow of each lane, in the lower half.
inline __m256i Bf16Bits(Vector a) {
  const __m256i bits = _mm256_castps_si256(a.v), high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i sum = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  const __m256i quiet = _mm256_or_si256(high, _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), quiet, nan);
}
inline void StoreVector(Vector a, math::Bf16* out) {
  const __m256i bits = Bf16Bits(a);
  const __m128i halves =
      _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), halves);
}

#endif  // AVX2

template <bool kStream>
inline void StoreTwo(Vector a, Vector b, float* out) {
  StoreRegister<kStream>(Register(a), out);
  StoreRegister<kStream>(Register(b), out + Vector::kSize);
}
template <bool kStream>
inline void StoreTwo(Vector a, Vector b, math::Bf16* out) {
  const uint16_t* const halves = nullptr;
  StoreRegister<kStream>(Pack(Bf16Bits(a), Bf16Bits(b), halves), out);
}

template <bool kStream>
inline void StoreVectors(const Vector (&a)[4], float* out) {
  for (int k = 0; k < 4; k += 2) StoreTwo<kStream>(a[k], a[k + 1], out + k * Vector::kSize);
}
template <bool kStream>
inline void StoreVectors(const Vector (&a)[4], math::Bf16* out) {
  for (int k = 0; k < 4; k += 2) StoreTwo<kStream>(a[k], a[k + 1], out + k * Vector::kSize);
}

// Of as many elements as kVectors vectors have, the lines kAhead.
template <int kVectors, class T>
inline void FetchAhead(const T* x) {
  constexpr int64_t kBytes = kVectors * Vector::kSize * static_cast<int64_t>(sizeof(T));
  const char* const ahead = reinterpret_cast<const char*>(x) + kAhead;
  for (int64_t i = 0; i < kBytes; i += 64) __builtin_prefetch(ahead + i);
}

// math::Magnitude of each lane.
inline Vector Magnitude(Vector a) { return Where(Equal(a, a), Absolute(a)); }

// Codes: floats that are integers in the range of Code.
template <bool kStream, class Code>
inline void StoreVectors(const Vector (&a)[4], Code* out) {
  const Code* const type = nullptr;
  if constexpr (sizeof(Code) == 1) {
    StoreRegister<kStream>(
        Pack(Integers(a[0]), Integers(a[1]), Integers(a[2]), Integers(a[3]), type), out);
  } else {
    for (int k = 0; k < 2; ++k) {
      StoreRegister<kStream>(Pack(Integers(a[2 * k]), Integers(a[2 * k + 1]), type),
                             out + 2 * k * Vector::kSize);
    }
  }
}

#endif  // QT_VECTORS

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_VECTOR_H_
