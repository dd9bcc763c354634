// fixed_multiplier and requantize_fixed. Integers only, so every instruction set gives the same bits.
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/fixed_point.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// Bias, multiplier and shift per channel, repeated so that a chunk of any phase reads them as one
// stream.
struct Channels {
  const int32_t* bias;
  const int32_t* multiplier;
  const int32_t* shift;
};

// False when out of memory.
bool Repeat(qt_context& ctx, const qt_requantize_fixed_args& a, Channels* channels) {
  const int64_t period = a.channels + Min(kChunk, a.rows * a.channels);
  int32_t* const memory = ScratchArray<int32_t>(ctx, 3 * period);
  if (memory == nullptr) return false;
  for (int64_t i = 0, c = 0; i < period; ++i, c = c + 1 == a.channels ? 0 : c + 1) {
    memory[i] = a.bias == nullptr ? 0 : a.bias[c];
    memory[period + i] = a.multiplier == nullptr ? 0 : a.multiplier[c];
    memory[2 * period + i] = a.shift[c];
  }
  *channels = {memory, memory + period, memory + 2 * period};
  return true;
}

template <class Contract, bool kMask, class Code>
void RequantizeChunk(const int32_t* acc, const Channels k, int64_t n, const math::FixedLimits l, Code* codes,
                     int32_t* flags) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const int32_t v = Contract::Scale(math::AddInt(acc[i], k.bias[i]), k.multiplier[i], k.shift[i]);
    if (kMask) flags[i] = math::FixedPasses(v, l) ? -1 : 0;
    codes[i] = static_cast<Code>(math::FixedCode(v, l));
  }
}

template <class Contract, class Code>
qt_status Requantize(qt_context& ctx, const qt_requantize_fixed_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  if (n == 0) return QT_OK;
  Channels table;
  if (!Repeat(ctx, a, &table)) return QT_OUT_OF_MEMORY;
  const int32_t* acc = a.acc;
  Code* codes = static_cast<Code*>(a.codes);
  uint8_t* mask = a.mask;
  const math::FixedLimits limits = math::MakeFixedLimits(a.qmin, a.qmax, *a.zero_point, a.relu != 0);
  const bool stream = Streams(5 * n);
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    int32_t flags[kChunk];
    ChunkOut<Code, kChunk> to(stream);
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t width = Min(end - first, kChunk), phase = first % channels;
      const Channels k = {table.bias + phase, table.multiplier + phase, table.shift + phase};
      if (mask == nullptr) {
        RequantizeChunk<Contract, false>(acc + first, k, width, limits, to.At(codes + first),
                                         flags);
      } else {
        RequantizeChunk<Contract, true>(acc + first, k, width, limits, to.At(codes + first),
                                        flags);
        PackMask(flags, width, mask + first / 8);
      }
      to.Done(codes + first, width);
    }
  });
  return QT_OK;
}

template <class Contract>
qt_status Requantize(qt_context& ctx, const qt_requantize_fixed_args& a) {
  return a.code_type == QT_U8 ? Requantize<Contract, uint8_t>(ctx, a)
                              : Requantize<Contract, int8_t>(ctx, a);
}

}  // namespace

qt_status fixed_multiplier(qt_context&, const qt_fixed_multiplier_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    const math::FixedMultiplier k = math::MakeFixedMultiplier(math::RealMultiplier(
        *a.x_scale, a.w_scale[c], *a.y_scale, a.form == QT_MULTIPLIER_FLOAT_PRODUCT));
    a.multiplier[c] = k.m;
    a.shift[c] = k.shift;
  }
  return QT_OK;
}

qt_status requantize_fixed(qt_context& ctx, const qt_requantize_fixed_args& a) {
  switch (a.contract) {
    case QT_FIXED_DOUBLE:
      return Requantize<math::FixedDouble>(ctx, a);
    case QT_FIXED_SINGLE:
      return Requantize<math::FixedSingle>(ctx, a);
    case QT_FIXED_RUY:
      return Requantize<math::FixedRuy>(ctx, a);
    case QT_POWER_OF_TWO_EVEN:
      return Requantize<math::PowerOfTwoEven>(ctx, a);
    case QT_POWER_OF_TWO_AWAY:
      return Requantize<math::PowerOfTwoAway>(ctx, a);
    default:
      return Requantize<math::PowerOfTwoUp>(ctx, a);
  }
}

}  // namespace qt::cpu::QT_ISA
