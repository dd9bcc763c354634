// pack_codes and unpack_codes: eight codes are a 64-bit word (math/packing.h), and words go through
// a vector register several at a time. With 3, 5, 6 or 7 bits a packed word is no integer: it is
// stored and loaded as 8 bytes that overlap the next one.
#include <string.h>

#include "cpu/kernel.h"
#include "cpu/stream.h"
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

// A packed word as an integer of its width, where there is one.
template <int kBits>
struct Packed {
  using Type = uint64_t;
};
template <>
struct Packed<1> {
  using Type = uint8_t;
};
template <>
struct Packed<2> {
  using Type = uint16_t;
};
template <>
struct Packed<4> {
  using Type = uint32_t;
};
template <int kBits>
constexpr bool kWhole = sizeof(typename Packed<kBits>::Type) == kBits;

// The n codes of a chunk; packed bytes beyond room are not the chunk's to write.
template <int kBits>
void PackChunk(const uint8_t* codes, int64_t n, uint8_t* packed, int64_t room) {
  uint64_t words[kWords];
  const int64_t whole = n / 8;
#pragma omp simd
  for (int64_t i = 0; i < whole; ++i) {
    uint64_t word;
    memcpy(&word, codes + 8 * i, 8);
    words[i] = math::PackWord(word, kBits);
  }
  int64_t i = 0;
  if (!kWhole<kBits>) {
    for (; i < whole && i * kBits + 8 <= room; ++i) memcpy(packed + i * kBits, &words[i], 8);
  }
  for (; i < whole; ++i) memcpy(packed + i * kBits, &words[i], kBits);
  if (n % 8 == 0) return;
  uint64_t last = 0;
  memcpy(&last, codes + whole * 8, n % 8);
  last = math::PackWord(last, kBits);
  memcpy(packed + whole * kBits, &last, (n % 8 * kBits + 7) / 8);
}

template <int kBits, bool kSigned>
uint64_t Unpacked(uint64_t packed) {
  const uint64_t word = math::UnpackWord(packed, kBits);
  return kSigned ? math::ExtendSigns(word, kBits) : word;
}

template <int kBits, bool kSigned>
void UnpackChunk(const uint8_t* packed, int64_t bytes, int64_t n, uint8_t* codes) {
  const int64_t whole = n / 8;
  if (kWhole<kBits>) {
#pragma omp simd
    for (int64_t i = 0; i < whole; ++i) {
      typename Packed<kBits>::Type from;
      memcpy(&from, packed + i * kBits, sizeof(from));
      const uint64_t word = Unpacked<kBits, kSigned>(from);
      memcpy(codes + 8 * i, &word, 8);
    }
  } else {
    uint64_t words[kWords];
    int64_t i = 0;
    for (; i < whole && i * kBits + 8 <= bytes; ++i) memcpy(&words[i], packed + i * kBits, 8);
    for (; i < whole; ++i) memcpy(&words[i], packed + i * kBits, kBits);
#pragma omp simd
    for (int64_t j = 0; j < whole; ++j) {
      const uint64_t word = Unpacked<kBits, kSigned>(words[j]);
      memcpy(codes + 8 * j, &word, 8);
    }
  }
  if (n % 8 == 0) return;
  uint64_t last = 0;
  memcpy(&last, packed + whole * kBits, (n % 8 * kBits + 7) / 8);
  last = Unpacked<kBits, kSigned>(last);
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
  const bool stream = Streams(a.n + bytes);
  WithBits(a.bits, [&](auto bits) {
    constexpr int kBits = decltype(bits)::kCount;
    ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
      ChunkOut<uint8_t, kCodes> to(stream);
      for (int64_t i = begin; i < end; i += kCodes) {
        const int64_t at = i / 8 * kBits, n = Min(kCodes, end - i);
        if (is_signed) {
          UnpackChunk<kBits, true>(packed + at, bytes - at, n, to.At(codes + i));
        } else {
          UnpackChunk<kBits, false>(packed + at, bytes - at, n, to.At(codes + i));
        }
        to.Done(codes + i, n);
      }
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
