// The loop over two tensors of codes, in chunks that stay in the nearest cache: flags until they are
// packed into the mask, codes of large tensors until they are streamed. The formulas are those of math/binary_codes.h.
#ifndef QUANTRAIN_CPU_BINARY_CODES_H_
#define QUANTRAIN_CPU_BINARY_CODES_H_

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/binary_codes.h"

namespace qt::cpu::QT_ISA {

// A function of its own: inside the lambda, stores of bytes could alias what it captured.
template <bool kMask, class T, class Constants, class L>
void BinaryChunk(const T* a, const T* b, int64_t n, const Constants k, const math::Ends<L> ends,
                 T* y, int32_t* flags) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const L level = math::Level(k, static_cast<int32_t>(a[i]), static_cast<int32_t>(b[i]));
    if (kMask) flags[i] = math::Passes(level, ends) ? -1 : 0;
    y[i] = static_cast<T>(math::LevelCode(level, ends));
  }
}

template <class T, class Args, class Constants, class L>
void BinaryCodesOf(qt_context& ctx, const Args& args, const Constants& k,
                   const math::Ends<L>& ends) {
  constexpr int64_t kChunk = 1024;
  const T* a = static_cast<const T*>(args.a);
  const T* b = static_cast<const T*>(args.b);
  T* y = static_cast<T*>(args.y);
  uint8_t* mask = args.mask;
  const bool stream = Streams(3 * args.n);
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    int32_t flags[kChunk];
    ChunkOut<T, kChunk> to(stream);
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t n = Min(kChunk, end - first);
      if (mask == nullptr) {
        BinaryChunk<false>(a + first, b + first, n, k, ends, to.At(y + first), flags);
      } else {
        BinaryChunk<true>(a + first, b + first, n, k, ends, to.At(y + first), flags);
        PackMask(flags, n, mask + first / 8);
      }
      to.Done(y + first, n);
    }
  });
}

// y = code of Level(k, a, b) for every element, and the mask where one is asked for.
template <class Args, class Constants, class L>
void BinaryCodes(qt_context& ctx, const Args& args, const Constants& k,
                 const math::Ends<L>& ends) {
  if (args.code_type == QT_U8) {
    BinaryCodesOf<uint8_t>(ctx, args, k, ends);
  } else {
    BinaryCodesOf<int8_t>(ctx, args, k, ends);
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_BINARY_CODES_H_
