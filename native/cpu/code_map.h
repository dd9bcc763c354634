// A grid's codes on another grid: a function of one code, which rises with it. So it is computed
// once per code by its formula and looked up, and the codes that the clamp leaves as they are are
// an interval.
#ifndef QUANTRAIN_CPU_CODE_MAP_H_
#define QUANTRAIN_CPU_CODE_MAP_H_

#include "cpu/lookup.h"
#include "math/quantize.h"

namespace qt::cpu::QT_ISA {

struct CodeGrid {
  float scale, zero_point;
};

// Tables are indexed by the byte of a code.
struct CodeMap {
  uint8_t codes[256];
  uint8_t first_kept;
  int kept;  // codes from first_kept on; 255 is followed by 0
};

template <class From, class To>
inline CodeMap MakeCodeMap(const CodeGrid& from, const CodeGrid& to, int32_t qmin, int32_t qmax) {
  CodeMap map = {};
  const float lo = static_cast<float>(qmin), hi = static_cast<float>(qmax);
  const int lowest = static_cast<From>(-1) < 0 ? -128 : 0;
  for (int code = lowest; code < lowest + 256; ++code) {
    const uint8_t byte = static_cast<uint8_t>(code);
    const float x = math::Dequantize(static_cast<float>(code), from.scale, from.zero_point);
    const float level = math::Level(x, to.scale, to.zero_point);
    const float clamped = math::Clamp(level, lo, hi);
    map.codes[byte] = static_cast<uint8_t>(static_cast<To>(static_cast<int32_t>(clamped)));
    if (!math::Kept(level, clamped)) continue;
    if (map.kept == 0) map.first_kept = byte;
    ++map.kept;
  }
  return map;
}

// The mask of n codes, which begin a byte of it.
inline void PackKept(const CodeMap& map, const uint8_t* codes, int64_t n, uint8_t* mask) {
  int64_t i = 0;
#if defined(__AVX2__)
  const __m256i first = _mm256_set1_epi8(static_cast<char>(map.first_kept));
  const __m256i last = _mm256_set1_epi8(static_cast<char>(map.kept - 1));
  for (; map.kept > 0 && i + 32 <= n; i += 32) {
    const __m256i code = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const __m256i place = _mm256_sub_epi8(code, first);
    const __m256i kept = _mm256_cmpeq_epi8(_mm256_min_epu8(place, last), place);
    const uint32_t bits = static_cast<uint32_t>(_mm256_movemask_epi8(kept));
    memcpy(mask + i / 8, &bits, 4);
  }
#endif
  for (; i < n; i += 8) {
    unsigned bits = 0;
    for (int64_t j = i; j < n && j < i + 8; ++j) {
      const int place = static_cast<uint8_t>(codes[j] - map.first_kept);
      bits |= (place < map.kept ? 1u : 0u) << (j - i);
    }
    mask[i / 8] = static_cast<uint8_t>(bits);
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_CODE_MAP_H_
