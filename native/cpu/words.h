// A vector of int32 beside the vector of floats (vector.h), comparisons of both, and loads of
// either by the type of number that a formula is instantiated with.
#ifndef QUANTRAIN_CPU_WORDS_H_
#define QUANTRAIN_CPU_WORDS_H_

#include <type_traits>

#include "cpu/mask.h"
#include "cpu/vector.h"
#include "math/integer.h"
#include "math/truth.h"

namespace qt::cpu::QT_ISA {

using math::AddInt;
using math::Both;
using math::Choose;
using math::EqualInt;

#if QT_VECTORS

#if defined(__AVX512F__)

struct Words {
  static constexpr int64_t kSize = 16;
  __m512i v;
  Words() = default;
  explicit Words(__m512i value) : v(value) {}
  explicit Words(int32_t value) : v(_mm512_set1_epi32(value)) {}
};

inline Words AddInt(Words a, Words b) { return Words(_mm512_add_epi32(a.v, b.v)); }
inline Words SubtractInt(Words a, Words b) { return Words(_mm512_sub_epi32(a.v, b.v)); }
inline Words MultiplyInt(Words a, Words b) { return Words(_mm512_mullo_epi32(a.v, b.v)); }
inline Words operator&(Words a, Words b) { return Words(_mm512_and_si512(a.v, b.v)); }
inline Words ShiftLeft(Words a, Words n) { return Words(_mm512_sllv_epi32(a.v, n.v)); }
inline Words operator>>(Words a, Words n) { return Words(_mm512_srav_epi32(a.v, n.v)); }
inline Words LargerInt(Words a, Words b) { return Words(_mm512_max_epi32(a.v, b.v)); }
inline Words SmallerInt(Words a, Words b) { return Words(_mm512_min_epi32(a.v, b.v)); }
inline Vector ToFloat(Words a) { return Vector(_mm512_cvtepi32_ps(a.v)); }
inline Words RoundToInt(Vector a) { return Words(_mm512_cvtps_epi32(a.v)); }

inline Truths operator>(Vector a, Vector b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ)};
}
inline Truths operator>=(Vector a, Vector b) {
  return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ)};
}
inline Truths operator>(Words a, Words b) { return {_mm512_cmpgt_epi32_mask(a.v, b.v)}; }
inline Truths operator>=(Words a, Words b) { return {_mm512_cmpge_epi32_mask(a.v, b.v)}; }
inline Truths EqualInt(Words a, Words b) { return {_mm512_cmpeq_epi32_mask(a.v, b.v)}; }
inline __m512i AsInt(Vector a) { return _mm512_castps_si512(a.v); }
inline Truths Both(Truths a, Truths b) {
  return {static_cast<__mmask16>(a.m & b.m)};
}
inline Words OneWhere(Truths a) { return Words(_mm512_maskz_set1_epi32(a.m, 1)); }

inline Words LoadWords(const int32_t* x) { return Words(_mm512_loadu_si512(x)); }
inline Words LoadWords(const uint8_t* x) {
  return Words(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}
inline Words LoadWords(const int8_t* x) {
  return Words(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x))));
}

// x where the bits of the mask are set, else +0; the mask's byte begins with lane 0.
inline Vector Selected(const uint8_t* mask, Vector x) {
  uint16_t bits;
  memcpy(&bits, mask, 2);
  return Vector(_mm512_maskz_mov_ps(bits, x.v));
}

// math::HighProduct in each lane: products of the even lanes, and of the odd ones.
inline Words HighProduct(Words x, Words m) {
  const __m512i half = _mm512_set1_epi64(int64_t{1} << 30);
  const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x.v, m.v), half);
  const __m512i odd = _mm512_add_epi64(
      _mm512_mul_epi32(_mm512_srli_epi64(x.v, 32), _mm512_srli_epi64(m.v, 32)), half);
  return Words(_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 31), 0xaaaa,
                                     _mm512_slli_epi64(odd, 1)));
}

// Doubles: those of the first and of the second half of a vector.
struct Doubles {
  static constexpr int64_t kSize = 8;
  __m512d v;
};
inline Doubles operator+(Doubles a, Doubles b) { return {_mm512_add_pd(a.v, b.v)}; }
inline Doubles operator*(Doubles a, Doubles b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline Doubles FirstHalf(Vector a) { return {_mm512_cvtps_pd(_mm512_castps512_ps256(a.v))}; }
inline Doubles SecondHalf(Vector a) { return {_mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1))}; }
inline void StoreDoubles(Doubles a, double* to) { _mm512_storeu_pd(to, a.v); }

// Sums of squares modulo 2^64: of the even lanes, then of the odd ones.
struct SquareSums {
  __m512i even, odd;
  SquareSums() = default;
  explicit SquareSums(const uint64_t* from)
      : even(_mm512_loadu_si512(from)), odd(_mm512_loadu_si512(from + 8)) {}
  void Add(Words a) {
    const __m512i upper = _mm512_srli_epi64(a.v, 32);
    even = _mm512_add_epi64(even, _mm512_mul_epi32(a.v, a.v));
    odd = _mm512_add_epi64(odd, _mm512_mul_epi32(upper, upper));
  }
  void Store(uint64_t* to) const {
    _mm512_storeu_si512(to, even);
    _mm512_storeu_si512(to + 8, odd);
  }
};

// math::ScaleOnce of the even lanes, in their place.
inline __m512i ScaleEven(__m512i x, __m512i m, __m512i shift) {
  const __m512i lower = _mm512_set1_epi64(0xffffffff), one = _mm512_set1_epi64(1);
  const __m512i n = _mm512_and_si512(_mm512_sub_epi32(_mm512_set1_epi32(31), shift), lower);
  const __m512i product = _mm512_mul_epi32(x, m);
  const __m512i twice = _mm512_srav_epi64(product, _mm512_sub_epi64(n, one));
  return _mm512_srai_epi64(_mm512_add_epi64(twice, one), 1);
}
inline Words ScaleOnce(Words x, Words m, Words shift) {
  const __m512i even = ScaleEven(x.v, m.v, shift.v);
  const __m512i odd = ScaleEven(_mm512_srli_epi64(x.v, 32), _mm512_srli_epi64(m.v, 32),
                                _mm512_srli_epi64(shift.v, 32));
  return Words(_mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32)));
}

#else  // AVX2

struct Words {
  static constexpr int64_t kSize = 8;
  __m256i v;
  Words() = default;
  explicit Words(__m256i value) : v(value) {}
  explicit Words(int32_t value) : v(_mm256_set1_epi32(value)) {}
};

inline Words AddInt(Words a, Words b) { return Words(_mm256_add_epi32(a.v, b.v)); }
inline Words SubtractInt(Words a, Words b) { return Words(_mm256_sub_epi32(a.v, b.v)); }
inline Words MultiplyInt(Words a, Words b) { return Words(_mm256_mullo_epi32(a.v, b.v)); }
inline Words operator&(Words a, Words b) { return Words(_mm256_and_si256(a.v, b.v)); }
inline Words ShiftLeft(Words a, Words n) { return Words(_mm256_sllv_epi32(a.v, n.v)); }
inline Words operator>>(Words a, Words n) { return Words(_mm256_srav_epi32(a.v, n.v)); }
inline Words LargerInt(Words a, Words b) { return Words(_mm256_max_epi32(a.v, b.v)); }
inline Words SmallerInt(Words a, Words b) { return Words(_mm256_min_epi32(a.v, b.v)); }
inline Vector ToFloat(Words a) { return Vector(_mm256_cvtepi32_ps(a.v)); }
inline Words RoundToInt(Vector a) { return Words(_mm256_cvtps_epi32(a.v)); }

inline Truths operator>(Vector a, Vector b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ)}; }
inline Truths operator>=(Vector a, Vector b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_GE_OQ)}; }
inline Truths operator>(Words a, Words b) {
  return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(a.v, b.v))};
}
inline Truths operator>=(Words a, Words b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_max_epi32(a.v, b.v), a.v))};
}
inline Truths EqualInt(Words a, Words b) {
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(a.v, b.v))};
}
inline __m256i AsInt(Vector a) { return _mm256_castps_si256(a.v); }
inline Truths Both(Truths a, Truths b) { return {_mm256_and_ps(a.m, b.m)}; }
inline Words OneWhere(Truths a) {
  return Words(_mm256_srli_epi32(_mm256_castps_si256(a.m), 31));
}

inline Words LoadWords(const int32_t* x) {
  return Words(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(x)));
}
inline Words LoadWords(const uint8_t* x) {
  return Words(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}
inline Words LoadWords(const int8_t* x) {
  return Words(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(x))));
}

// x where the bits of the mask are set, else +0; the mask's byte begins with lane 0.
inline Vector Selected(const uint8_t* mask, Vector x) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const __m256i own = _mm256_and_si256(_mm256_set1_epi8(static_cast<char>(*mask)), bit);
  return Vector(_mm256_and_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(own, bit)), x.v));
}

// math::HighProduct in each lane: products of the even lanes, and of the odd ones.
inline Words HighProduct(Words x, Words m) {
  const __m256i half = _mm256_set1_epi64x(int64_t{1} << 30);
  const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x.v, m.v), half);
  const __m256i odd = _mm256_add_epi64(
      _mm256_mul_epi32(_mm256_srli_epi64(x.v, 32), _mm256_srli_epi64(m.v, 32)), half);
  return Words(_mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa));
}

// Doubles: those of the first and of the second half of a vector.
struct Doubles {
  static constexpr int64_t kSize = 4;
  __m256d v;
};
inline Doubles operator+(Doubles a, Doubles b) { return {_mm256_add_pd(a.v, b.v)}; }
inline Doubles operator*(Doubles a, Doubles b) { return {_mm256_mul_pd(a.v, b.v)}; }
inline Doubles FirstHalf(Vector a) { return {_mm256_cvtps_pd(_mm256_castps256_ps128(a.v))}; }
inline Doubles SecondHalf(Vector a) { return {_mm256_cvtps_pd(_mm256_extractf128_ps(a.v, 1))}; }
inline void StoreDoubles(Doubles a, double* to) { _mm256_storeu_pd(to, a.v); }

// Sums of squares modulo 2^64: of the even lanes, then of the odd ones.
struct SquareSums {
  __m256i even, odd;
  SquareSums() = default;
  explicit SquareSums(const uint64_t* from)
      : even(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))),
        odd(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 4))) {}
  void Add(Words a) {
    const __m256i upper = _mm256_srli_epi64(a.v, 32);
    even = _mm256_add_epi64(even, _mm256_mul_epi32(a.v, a.v));
    odd = _mm256_add_epi64(odd, _mm256_mul_epi32(upper, upper));
  }
  void Store(uint64_t* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), even);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 4), odd);
  }
};

// math::ScaleOnce of the even lanes, in their place. 2^62 more than the product is not negative, so
// that a logical shift rounds down; what that makes of the 2^62 is taken off again, modulo 2^32.
inline __m256i ScaleEven(__m256i x, __m256i m, __m256i shift) {
  const __m256i lower = _mm256_set1_epi64x(0xffffffff), one = _mm256_set1_epi64x(1);
  const __m256i top = _mm256_set1_epi64x(int64_t{1} << 62);
  const __m256i n = _mm256_and_si256(_mm256_sub_epi32(_mm256_set1_epi32(31), shift), lower);
  const __m256i product = _mm256_add_epi64(_mm256_mul_epi32(x, m), top);
  const __m256i twice = _mm256_srlv_epi64(product, _mm256_sub_epi64(n, one));
  const __m256i rounded = _mm256_srli_epi64(_mm256_add_epi64(twice, one), 1);
  return _mm256_sub_epi64(rounded, _mm256_srlv_epi64(top, n));
}
inline Words ScaleOnce(Words x, Words m, Words shift) {
  const __m256i even = ScaleEven(x.v, m.v, shift.v);
  const __m256i odd = ScaleEven(_mm256_srli_epi64(x.v, 32), _mm256_srli_epi64(m.v, 32),
                                _mm256_srli_epi64(shift.v, 32));
  return Words(_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa));
}

#endif  // AVX2

inline Truths operator<=(Words a, Words b) { return b >= a; }
inline int64_t CountOf(Truths t) { return __builtin_popcountll(Bits(t)); }

// Codes: integers in the range of Code.
template <bool kStream, class Code>
inline void StoreVectors(const Words (&a)[4], Code* out) {
  const Code* const type = nullptr;
  StoreRegister<kStream>(Pack(a[0].v, a[1].v, a[2].v, a[3].v, type), out);
}

#endif  // QT_VECTORS

inline bool IsNan(float a) { return a != a; }
inline int64_t CountOf(bool t) { return t ? 1 : 0; }

// The int32 that goes with a T, float or a vector: one, or as many.
template <class T>
struct IntegerOf {
  using Type = int32_t;
};
#if QT_VECTORS
template <>
struct IntegerOf<Vector> {
  using Type = Words;
};
#endif
template <class T>
using Integer = typename IntegerOf<T>::Type;

template <class T, class Int>
QT_HD Integer<T> LoadIntAs(const Int* x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return static_cast<int32_t>(*x);
  } else {
    return LoadWords(x);
  }
}

// Element i of x where the mask (null: all ones) is set, else +0, or as many from there as T has.
template <class T, class Real>
QT_HD T SelectedAs(const Real* x, const uint8_t* mask, int64_t i) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return mask == nullptr || (mask[i / 8] >> (i % 8) & 1) != 0 ? math::Widen(x[i]) : 0.0f;
  } else {
    const T value = LoadVector(x + i);
    return mask == nullptr ? value : Selected(mask + (i >> 3), value);
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_WORDS_H_
