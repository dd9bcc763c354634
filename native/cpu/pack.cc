// pack_codes and unpack_codes: eight codes are a 64-bit word (math/packing.h), and four words a
// vector. Packed words of any width lie side by side, so both halves of a vector are stored and
// loaded as 16 bytes that overlap what comes after them.
#include <string.h>

#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "cpu/vector.h"
#include "math/packing.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kCodes = 1024;  // per chunk

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

template <int kBits, bool kSigned, class Word>
QT_HD Word Unpacked(Word packed) {
  const Word word = math::UnpackWord(packed, kBits);
  return kSigned ? math::ExtendSigns(word, kBits) : word;
}

#if defined(__AVX2__)
using FourWords = uint64_t __attribute__((vector_size(32)));
constexpr int64_t kFour = 32;  // their codes

// For each half of a vector, the places of the bytes of two packed words, and back: those of a byte
// that there is none of are -1, which give 0.
template <int kBits>
__m256i BytesTogether() {
  alignas(32) int8_t from[32];
  for (int i = 0; i < 32; ++i) {
    const int byte = i % 16;
    from[i] = static_cast<int8_t>(byte < kBits ? byte : byte < 2 * kBits ? byte - kBits + 8 : -1);
  }
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}
template <int kBits>
__m256i BytesApart() {
  alignas(32) int8_t from[32];
  for (int i = 0; i < 32; ++i) {
    const int word = i % 16 / 8, byte = i % 8;
    from[i] = static_cast<int8_t>(byte < kBits ? word * kBits + byte : -1);
  }
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(from));
}

// Packs as many of n codes as vectors do that write less than `room` bytes; returns how many.
template <int kBits>
int64_t PackVectors(const uint8_t* codes, int64_t n, uint8_t* packed, int64_t room) {
  const __m256i together = BytesTogether<kBits>();
  int64_t i = 0;
  for (uint8_t* to = packed; i + kFour <= n && to + 2 * kBits + 16 <= packed + room; i += kFour) {
    const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + i));
    const FourWords apart = math::PackWord(reinterpret_cast<FourWords>(words), kBits);
    const __m256i bytes = _mm256_shuffle_epi8(reinterpret_cast<__m256i>(apart), together);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(bytes));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 2 * kBits),
                     _mm256_extracti128_si256(bytes, 1));
    to += 4 * kBits;
  }
  return i;
}

// Unpacks as many of n codes as vectors do that read no byte beyond `room`; returns how many.
template <int kBits, bool kSigned, bool kStream>
int64_t UnpackVectors(const uint8_t* packed, int64_t room, int64_t n, uint8_t* codes) {
  const __m256i places = BytesApart<kBits>();
  int64_t i = 0;
  for (const uint8_t* from = packed; i + kFour <= n && from + 2 * kBits + 16 <= packed + room;
       i += kFour) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 2 * kBits));
    const __m256i apart = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), places);
    const FourWords words = Unpacked<kBits, kSigned>(reinterpret_cast<FourWords>(apart));
    __m256i* const to = reinterpret_cast<__m256i*>(codes + i);
    if (kStream) {
      _mm256_stream_si256(to, reinterpret_cast<__m256i>(words));
    } else {
      _mm256_storeu_si256(to, reinterpret_cast<__m256i>(words));
    }
    from += 4 * kBits;
  }
  return i;
}
#endif

// The n codes of a chunk; packed bytes from `room` on are not the chunk's to write.
template <int kBits>
void PackChunk(const uint8_t* codes, int64_t n, uint8_t* packed, [[maybe_unused]] int64_t room) {
  int64_t i = 0;
#if defined(__AVX2__)
  i = PackVectors<kBits>(codes, n, packed, room);
#endif
  for (; i < n; i += 8) {
    uint64_t word = 0;
    const int64_t count = Min(8, n - i);
    memcpy(&word, codes + i, count);
    word = math::PackWord(word, kBits);
    memcpy(packed + i / 8 * kBits, &word, (count * kBits + 7) / 8);
  }
}

// bytes: from packed on, of which n codes may take fewer.
template <int kBits, bool kSigned>
void UnpackChunk(const uint8_t* packed, [[maybe_unused]] int64_t bytes, int64_t n, uint8_t* codes,
                 [[maybe_unused]] bool stream) {
  int64_t i = 0;
#if defined(__AVX2__)
  i = stream ? UnpackVectors<kBits, kSigned, true>(packed, bytes, n, codes)
             : UnpackVectors<kBits, kSigned, false>(packed, bytes, n, codes);
#endif
  for (; i < n; i += 8) {
    uint64_t word = 0;
    const int64_t count = Min(8, n - i);
    memcpy(&word, packed + i / 8 * kBits, (count * kBits + 7) / 8);
    word = Unpacked<kBits, kSigned>(word);
    memcpy(codes + i, &word, count);
  }
}

}  // namespace

qt_status pack_codes(qt_context& ctx, const qt_pack_codes_args& a) {
  const uint8_t* codes = static_cast<const uint8_t*>(a.codes);
  uint8_t* packed = a.packed;
  const bool stream = Streams(a.n + a.n * a.bits / 8);
  WithBits(a.bits, [&](auto bits) {
    constexpr int kBits = decltype(bits)::kCount;
    ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
      ChunkOut<uint8_t, kCodes> to(stream);
      // Up to the block's own end: the next block may be another thread's.
      const int64_t stop = (end * kBits + 7) / 8;
      for (int64_t i = begin; i < end; i += kCodes) {
        const int64_t at = i / 8 * kBits, n = Min(kCodes, end - i);
        Prefetch(codes + i + kAhead, kCodes);
        PackChunk<kBits>(codes + i, n, to.At(packed + at), stream ? kCodes : stop - at);
        to.Done(packed + at, (n * kBits + 7) / 8);
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
  const bool stream = Streams(a.n + bytes) && reinterpret_cast<uintptr_t>(codes) % 64 == 0;
  WithBits(a.bits, [&](auto bits) {
    constexpr int kBits = decltype(bits)::kCount;
    ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += kCodes) {
        const int64_t at = i / 8 * kBits, n = Min(kCodes, end - i);
        Prefetch(packed + at + kAhead, kCodes / 8 * kBits);
        if (is_signed) {
          UnpackChunk<kBits, true>(packed + at, bytes - at, n, codes + i, stream);
        } else {
          UnpackChunk<kBits, false>(packed + at, bytes - at, n, codes + i, stream);
        }
      }
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
