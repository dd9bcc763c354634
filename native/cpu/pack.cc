// pack_codes and unpack_codes: eight codes are a 64-bit word (math/packing.h), words go through a
// vector register several at a time. The word between them lies in a small array, because with
// 3, 5, 6 or 7 bits it is no power of two wide; it is stored and loaded whole, overlapping the next.
#include <string.h>

#include "cpu/kernel.h"
#include "math/packing.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kWords = 128;       // words per chunk
constexpr int64_t kCodes = 8 * kWords;

template <int kBits>
struct Bits {
  static constexpr int kCount = kBits;
};

// Calls f(Bits<bits>()).
template <class F>
void WithBits(int32_t bits, F f) {
  switch (bits) {
    case 1:
      return f(Bits<1>());
    case 2:
      return f(Bits<2>());
    case 3:
      return f(Bits<3>());
    case 4:
      return f(Bits<4>());
    case 5:
      return f(Bits<5>());
    case 6:
      return f(Bits<6>());
    case 7:
      return f(Bits<7>());
    default:
      return f(Bits<8>());
  }
}

// The n codes of a chunk; packed bytes beyond room are not the chunk's to write.
template <int kBits>
void PackChunk(const uint8_t* codes, int64_t n, uint8_t* packed, int64_t room) {
  uint64_t words[kWords];
  const int64_t whole = n / 8;
  memcpy(words, codes, whole * 8);
#pragma omp simd
  for (int64_t i = 0; i < whole; ++i) words[i] = math::PackWord(words[i], kBits);
  int64_t i = 0;
  for (; i < whole && i * kBits + 8 <= room; ++i) memcpy(packed + i * kBits, &words[i], 8);
  for (; i < whole; ++i) memcpy(packed + i * kBits, &words[i], kBits);
  if (n % 8 == 0) return;
  uint64_t last = 0;
  memcpy(&last, codes + whole * 8, n % 8);
  last = math::PackWord(last, kBits);
  memcpy(packed + whole * kBits, &last, (n % 8 * kBits + 7) / 8);
}

template <int kBits, bool kSigned>
void UnpackChunk(const uint8_t* packed, int64_t bytes, int64_t n, uint8_t* codes) {
  uint64_t words[kWords];
  const int64_t whole = n / 8;
  int64_t i = 0;
  for (; i < whole && i * kBits + 8 <= bytes; ++i) memcpy(&words[i], packed + i * kBits, 8);
  for (; i < whole; ++i) memcpy(&words[i], packed + i * kBits, kBits);
#pragma omp simd
  for (int64_t j = 0; j < whole; ++j) {
    const uint64_t word = math::UnpackWord(words[j], kBits);
    words[j] = kSigned ? math::ExtendSigns(word, kBits) : word;
  }
  memcpy(codes, words, whole * 8);
  if (n % 8 == 0) return;
  uint64_t last = 0;
  memcpy(&last, packed + whole * kBits, (n % 8 * kBits + 7) / 8);
  last = math::UnpackWord(last, kBits);
  if (kSigned) last = math::ExtendSigns(last, kBits);
  memcpy(codes + whole * 8, &last, n % 8);
}

}  // namespace

qt_status pack_codes(qt_context& ctx, const qt_pack_codes_args& a) {
  const uint8_t* codes = static_cast<const uint8_t*>(a.codes);
  uint8_t* packed = a.packed;
  WithBits(a.bits, [&](auto bits) {
    constexpr int kBits = decltype(bits)::kCount;
    ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
      // Up to the block's own end: the next block may be another thread's.
      const int64_t stop = (end * kBits + 7) / 8;
      for (int64_t i = begin; i < end; i += kCodes) {
        const int64_t at = i / 8 * kBits;
        PackChunk<kBits>(codes + i, Min(kCodes, end - i), packed + at, stop - at);
      }
    });
  });
  return QT_OK;
}

qt_status unpack_codes(qt_context& ctx, const qt_unpack_codes_args& a) {
  const uint8_t* packed = a.packed;
  uint8_t* codes = static_cast<uint8_t*>(a.codes);
  const int64_t bytes = (a.n * a.bits + 7) / 8;
  const bool is_signed = a.code_type == QT_S8;
  WithBits(a.bits, [&](auto bits) {
    constexpr int kBits = decltype(bits)::kCount;
    ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += kCodes) {
        const int64_t at = i / 8 * kBits, n = Min(kCodes, end - i);
        if (is_signed) {
          UnpackChunk<kBits, true>(packed + at, bytes - at, n, codes + i);
        } else {
          UnpackChunk<kBits, false>(packed + at, bytes - at, n, codes + i);
        }
      }
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
