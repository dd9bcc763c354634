// Outputs too large for the caches. A normal store to a line that is not cached reads the line
// first, which makes an output cost twice its bytes; a non-temporal store does not, but it takes
// the output out of the caches. So large calls compute a chunk at a time in a buffer that stays in
// the first-level cache and stream it out:
//
//   ChunkOut<float, kChunk> to(Streams(bytes_read_and_written));
//   for each chunk of an output y that begins at element i:
//     float* out = to.At(y + i);     the buffer, or y + i itself
//     ... write out[0] .. out[n - 1] ...
//     to.Done(y + i, n);
//
// The bits stored are the same either way. ParallelBlocks makes them visible to other threads.
#ifndef QUANTRAIN_CPU_STREAM_H_
#define QUANTRAIN_CPU_STREAM_H_

#include "cpu/kernel.h"

#include <string.h>

namespace qt::cpu::QT_ISA {

// Bytes read and written by a call from which on its outputs are streamed: about a last-level
// cache. (Copies on a machine with 32 MiB: normal stores are 3x faster below 16 MiB, as fast at 32,
// and 1.3x slower above.) The sanitized build sets a small number, so that the cases of the driver,
// which are small, stream as well.
#ifndef QT_STREAM_BYTES
#define QT_STREAM_BYTES int64_t{32} << 20
#endif
constexpr int64_t kStreamBytes = QT_STREAM_BYTES;

inline bool Streams(int64_t bytes) { return bytes >= kStreamBytes; }

// Fetches n elements, of an input whose reading the hardware does not foresee: it lies anywhere, or
// in more streams than it follows.
template <class T>
inline void Prefetch(const T* p, int64_t n) {
  const char* bytes = reinterpret_cast<const char*>(p);
  const int64_t size = n * static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < size; i += 64) __builtin_prefetch(bytes + i);
}

// memcpy past the caches; `to` may have any alignment.
inline void StreamCopy(const void* from, void* to, int64_t bytes) {
  const uint8_t* in = static_cast<const uint8_t*>(from);
  uint8_t* out = static_cast<uint8_t*>(to);
#if defined(__x86_64__)
  const int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) & 63u);
  if (bytes >= head + 64) {
    memcpy(out, in, static_cast<size_t>(head));
    in += head;
    out += head;
    bytes -= head;
    for (; bytes >= 64; bytes -= 64, in += 64, out += 64) {
#if defined(__AVX512F__)
      _mm512_stream_si512(reinterpret_cast<__m512i*>(out), _mm512_loadu_si512(in));
#elif defined(__AVX2__)
      const __m256i* halves = reinterpret_cast<const __m256i*>(in);
      __m256i* stored = reinterpret_cast<__m256i*>(out);
      for (int i = 0; i < 2; ++i) {
        _mm256_stream_si256(stored + i, _mm256_loadu_si256(halves + i));
      }
#else
      const __m128i* lines = reinterpret_cast<const __m128i*>(in);
      __m128i* stored = reinterpret_cast<__m128i*>(out);
      for (int i = 0; i < 4; ++i) _mm_stream_si128(stored + i, _mm_loadu_si128(lines + i));
#endif
    }
  }
#endif
  if (bytes > 0) memcpy(out, in, static_cast<size_t>(bytes));
}

// Where a chunk of at most kChunk elements of an output is computed.
template <class T, int64_t kChunk>
class ChunkOut {
 public:
  explicit ChunkOut(bool stream) : stream_(stream) {}
  T* At(T* out) { return stream_ ? buffer_ : out; }
  void Done(T* out, int64_t n) {
    if (stream_) StreamCopy(buffer_, out, n * static_cast<int64_t>(sizeof(T)));
  }

 private:
  alignas(64) T buffer_[kChunk];
  const bool stream_;
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_STREAM_H_
