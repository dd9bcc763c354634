// Philox words of neighbouring elements, as many counters at once as a vector has 64-bit lanes:
// vectors multiply 32 bits by 32 to 64, so a lane holds one 32-bit word and whatever else in its
// upper half, which the next product ignores. The integers are those of math/philox.h.
#ifndef QUANTRAIN_CPU_DRAWS_H_
#define QUANTRAIN_CPU_DRAWS_H_

#include "cpu/kernel.h"
#include "math/philox.h"

namespace qt::cpu::QT_ISA {

#if defined(__AVX512F__)
// Forms with a mask of all ones: gcc 12 warns of the undefined operand in the others.
struct Words {
  using Vector = __m512i;
  static constexpr int64_t kLanes = 8;
  static Vector All(uint64_t v) { return _mm512_set1_epi64(static_cast<int64_t>(v)); }
  static Vector Load(const uint64_t* p) { return _mm512_loadu_si512(p); }
  static Vector Product(Vector a, Vector b) { return _mm512_maskz_mul_epu32(0xff, a, b); }
  static Vector Add(Vector a, Vector b) { return _mm512_add_epi64(a, b); }
  static Vector Xor(Vector a, Vector b) { return _mm512_xor_si512(a, b); }
  static Vector Upper(Vector a) { return _mm512_maskz_srli_epi64(0xff, a, 32); }
  static Vector Pair(Vector low, Vector high) {
    return _mm512_mask_shuffle_epi32(low, 0xaaaa, high, _MM_PERM_CCAA);
  }
  static void Store(Vector ab, Vector cd, uint32_t* out) {
    _mm512_storeu_si512(out, _mm512_maskz_unpacklo_epi64(0xff, ab, cd));
    _mm512_storeu_si512(out + 16, _mm512_maskz_unpackhi_epi64(0xff, ab, cd));
  }
};
#elif defined(__AVX2__)
struct Words {
  using Vector = __m256i;
  static constexpr int64_t kLanes = 4;
  static Vector All(uint64_t v) { return _mm256_set1_epi64x(static_cast<int64_t>(v)); }
  static Vector Load(const uint64_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static Vector Product(Vector a, Vector b) { return _mm256_mul_epu32(a, b); }
  static Vector Add(Vector a, Vector b) { return _mm256_add_epi64(a, b); }
  static Vector Xor(Vector a, Vector b) { return _mm256_xor_si256(a, b); }
  static Vector Upper(Vector a) { return _mm256_srli_epi64(a, 32); }
  static Vector Pair(Vector low, Vector high) {
    return _mm256_blend_epi32(low, _mm256_slli_epi64(high, 32), 0xaa);
  }
  static void Store(Vector ab, Vector cd, uint32_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_unpacklo_epi64(ab, cd));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8), _mm256_unpackhi_epi64(ab, cd));
  }
};
#elif defined(__SSE4_1__)
struct Words {
  using Vector = __m128i;
  static constexpr int64_t kLanes = 2;
  static Vector All(uint64_t v) { return _mm_set1_epi64x(static_cast<int64_t>(v)); }
  static Vector Load(const uint64_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static Vector Product(Vector a, Vector b) { return _mm_mul_epu32(a, b); }
  static Vector Add(Vector a, Vector b) { return _mm_add_epi64(a, b); }
  static Vector Xor(Vector a, Vector b) { return _mm_xor_si128(a, b); }
  static Vector Upper(Vector a) { return _mm_srli_epi64(a, 32); }
  static Vector Pair(Vector low, Vector high) {
    return _mm_blend_epi16(low, _mm_slli_epi64(high, 32), 0xcc);
  }
  static void Store(Vector ab, Vector cd, uint32_t* out) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi64(ab, cd));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4), _mm_unpackhi_epi64(ab, cd));
  }
};
#else
struct Words {
  static constexpr int64_t kLanes = 1;
};
#endif

// The words of kLanes counters from `first` on, 4 each, in the order of their elements.
inline void DrawWords(const math::Draws& draws, int64_t first, uint32_t* out) {
#if defined(__SSE4_1__)
  using W = Words;
  // The stores unpack even lanes first, then odd ones.
  uint64_t places[W::kLanes];
  for (int64_t i = 0; i < W::kLanes; ++i) {
    places[i] = static_cast<uint64_t>(first + i / 2 + (i % 2) * (W::kLanes / 2));
  }
  W::Vector a = W::Load(places), b = W::Upper(a);
  W::Vector c = W::All(draws.step), d = W::All(draws.stream);
  W::Vector key_low = W::All(draws.seed & 0xffffffffu), key_high = W::All(draws.seed >> 32);
  const W::Vector factor_a = W::All(math::kPhiloxFactorA), factor_c = W::All(math::kPhiloxFactorC);
  const W::Vector step_low = W::All(math::kPhiloxKeyLow), step_high = W::All(math::kPhiloxKeyHigh);
#pragma GCC unroll 10
  for (int round = 0; round < math::kPhiloxRounds; ++round) {
    const W::Vector left = W::Product(a, factor_a), right = W::Product(c, factor_c);
    a = W::Xor(W::Xor(W::Upper(right), b), key_low);
    b = right;
    c = W::Xor(W::Xor(W::Upper(left), d), key_high);
    d = left;
    key_low = W::Add(key_low, step_low);
    key_high = W::Add(key_high, step_high);
  }
  W::Store(W::Pair(a, b), W::Pair(c, d), out);
#else
  const math::PhiloxWords words = math::FourWords(draws, first);
  out[0] = words.a;
  out[1] = words.b;
  out[2] = words.c;
  out[3] = words.d;
#endif
}

// The numbers in [0, 1) of n <= kMost elements.
template <int64_t kMost>
class UnitDraws {
 public:
  // u of element begin + i is at [i].
  const float* Fill(const math::Draws& draws, int64_t begin, int64_t n) {
    constexpr int64_t kStep = 4 * Words::kLanes;
    const int64_t first = begin / 4, skip = begin % 4;
    for (int64_t i = 0; i < skip + n; i += kStep) DrawWords(draws, first + i / 4, words_ + i);
#pragma omp simd
    for (int64_t i = 0; i < skip + n; ++i) units_[i] = math::UnitInterval(words_[i]);
    return units_ + skip;
  }

 private:
  alignas(64) uint32_t words_[kMost + 64];
  alignas(64) float units_[kMost + 64];
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_DRAWS_H_
