// The fused epilogue of a convolution and its gradient: one pass over the tensor, in chunks that
// stay in the first-level cache. Elementwise results and the observed extremes are the same bits on
// every instruction set and thread count; the gradient's sums have the fixed order of channels.h.
#include "math/epilogue.h"

#include "cpu/corrected_gradient.h"
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/bf16.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// What a block of elements saw.
struct Seen {
  math::Extent extent;
  int64_t nans;
};

// Extremes of all blocks after the clip; exact in any order.
Seen CombineSeen(const Seen* blocks, int64_t count, float lower, float upper) {
  Seen all = {math::NoExtent(), 0};
  for (int64_t b = 0; b < count; ++b) {
    math::Extend(&all.extent, blocks[b].extent.least, blocks[b].extent.most);
    all.nans += blocks[b].nans;
  }
  all.extent = math::ClippedExtent(all.extent, lower, upper);
  return all;
}

// A per-channel value repeated so that a chunk of any phase reads it as one stream; null gives
// `otherwise`.
template <class T>
void FillTable(T* table, int64_t period, int64_t channels, const T* values, T otherwise) {
  for (int64_t i = 0, c = 0; i < period; ++i, c = c + 1 == channels ? 0 : c + 1) {
    table[i] = values == nullptr ? otherwise : values[c];
  }
}

template <class Code, bool kMask, bool kObserve>
qt_status Epilogue(qt_context& ctx, const qt_epilogue_args& args) {
  const qt_epilogue_args a = args;
  const int64_t n = a.rows * a.channels, channels = a.channels;
  const int64_t period = channels + Min(kChunk, n), blocks = DivUp(n, kBlock);
  Seen* const seen = static_cast<Seen*>(Scratch(
      ctx, static_cast<int64_t>(sizeof(Seen)) * blocks + 16 * period));
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* const biases = reinterpret_cast<int32_t*>(seen + blocks);
  int32_t* const keeps = biases + period;
  float* const scales = reinterpret_cast<float*>(keeps + period);
  float* const multipliers = scales + period;
  FillTable(biases, period, channels, a.bias, 0);
  FillTable(keeps, period, channels, a.keep, 1);
  FillTable(scales, period, channels, a.out_scale, 1.0f);
  for (int64_t i = 0; i < period; ++i) multipliers[i] = math::Multiplier(scales[i], *a.y_scale);
  Code* const codes = static_cast<Code*>(a.codes);
  const float zero_point = static_cast<float>(*a.y_zero_point);
  const math::LevelRange range =
      math::EpilogueLevels(static_cast<float>(a.qmin), static_cast<float>(a.qmax), zero_point,
                           *a.y_scale, a.lower, a.upper);
  const bool stream = Streams(5 * n);
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    int32_t flags[kChunk];
    ChunkOut<Code, kChunk> chunks(stream);
    float least = __builtin_inff(), most = -__builtin_inff();
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk), phase = chunk % channels;
      const int32_t* in = a.acc + chunk;
      const int32_t* bias = biases + phase;
      const int32_t* keep = keeps + phase;
      const float* scale = scales + phase;
      const float* multiplier = multipliers + phase;
      Code* out = chunks.At(codes + chunk);
#pragma omp simd reduction(min : least) reduction(max : most)
      for (int64_t i = 0; i < width; ++i) {
        const int32_t sum = math::AddBias(in[i], keep[i], bias[i]);
        const float level = math::RequantizeLevel(sum, multiplier[i]);
        if (kMask || kObserve) {
          const float v = math::DequantizeAcc(sum, scale[i]);
          if (kMask) {
            flags[i] = math::InRange(level, range.lo, range.hi) &
                               math::InsideClip(v, a.lower, a.upper)
                           ? -1
                           : 0;
          }
          if (kObserve) {
            least = v < least ? v : least;
            most = v > most ? v : most;
          }
        }
        out[i] = static_cast<Code>(static_cast<int32_t>(
            math::RequantizeCode(level, range.lo, range.hi, zero_point)));
      }
      chunks.Done(codes + chunk, width);
      if (kMask) PackMask(flags, width, a.mask + chunk / 8);
    }
    if (kObserve) seen[block] = {{least, most}, 0};
  });
  if (kObserve) {
    const Seen all = CombineSeen(seen, blocks, a.lower, a.upper);
    *a.min = all.extent.least;
    *a.max = all.extent.most;
  }
  return QT_OK;
}

template <class Code>
qt_status EpilogueOf(qt_context& ctx, const qt_epilogue_args& a) {
  const bool mask = a.mask != nullptr, observe = a.min != nullptr;
  return mask ? observe ? Epilogue<Code, true, true>(ctx, a) : Epilogue<Code, true, false>(ctx, a)
         : observe ? Epilogue<Code, false, true>(ctx, a)
                   : Epilogue<Code, false, false>(ctx, a);
}

struct Grid {
  float scale, zero_point, qmin, qmax;
};

// Codes of a chunk, as floats, and its flags; extends what was seen.
template <class T, bool kObserve>
void QuantizeChunk(const T* x, int64_t n, const float* correction, const float* bias, float lower,
                   float upper, const Grid& grid, float* codes, int32_t* flags, Seen* seen) {
  const Grid g = grid;
  float least = seen->extent.least, most = seen->extent.most;
  int32_t nans = 0;
#pragma omp simd reduction(min : least) reduction(max : most) reduction(+ : nans)
  for (int64_t i = 0; i < n; ++i) {
    const float v = math::Corrected(math::Widen(x[i]), correction[i], bias[i]);
    const float y = math::Clip(v, lower, upper);
    if (kObserve) {
      least = y < least ? y : least;
      most = y > most ? y : most;
      nans += y != y ? 1 : 0;
    }
    const float level = math::Level(y, g.scale, g.zero_point);
    flags[i] = math::InRange(level, g.qmin, g.qmax) & math::InsideClip(v, lower, upper) ? -1 : 0;
    codes[i] = math::Clamp(level, g.qmin, g.qmax);
  }
  seen->extent = {least, most};
  seen->nans += nans;
}

template <class Code>
void StoreCodes(const float* levels, int64_t n, Code* codes) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) codes[i] = static_cast<Code>(static_cast<int32_t>(levels[i]));
}

template <class T>
void StoreReal(const float* levels, int64_t n, const Grid& grid, T* y) {
  const Grid g = grid;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    math::Narrow(math::Dequantize(levels[i], g.scale, g.zero_point), y + i);
  }
}

template <class T, class Code>
qt_status EpilogueReal(qt_context& ctx, const qt_epilogue_f32_args& args) {
  const qt_epilogue_f32_args a = args;
  const int64_t n = a.rows * a.channels, channels = a.channels;
  const int64_t period = channels + Min(kChunk, n), blocks = DivUp(n, kBlock);
  Seen* const seen = static_cast<Seen*>(
      Scratch(ctx, static_cast<int64_t>(sizeof(Seen)) * blocks + 8 * period));
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  float* const corrections = reinterpret_cast<float*>(seen + blocks);
  float* const biases = corrections + period;
  FillTable(corrections, period, channels, a.correction, 1.0f);
  FillTable(biases, period, channels, a.bias, 0.0f);
  const T* x = static_cast<const T*>(a.x);
  Code* const codes = static_cast<Code*>(a.codes);
  T* const reals = static_cast<T*>(a.y);
  const Grid grid = {*a.y_scale, static_cast<float>(*a.y_zero_point), static_cast<float>(a.qmin),
                     static_cast<float>(a.qmax)};
  const bool stream = Streams(n * static_cast<int64_t>((codes == nullptr ? 0 : 1) +
                                                       (reals == nullptr ? 1 : 2) * sizeof(T)));
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    float levels[kChunk];
    int32_t flags[kChunk];
    ChunkOut<Code, kChunk> code_chunks(stream);
    ChunkOut<T, kChunk> real_chunks(stream);
    Seen here = {math::NoExtent(), 0};
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk), phase = chunk % channels;
      const auto quantize = a.min != nullptr ? QuantizeChunk<T, true> : QuantizeChunk<T, false>;
      quantize(x + chunk, width, corrections + phase, biases + phase, a.lower, a.upper, grid,
               levels, flags, &here);
      if (codes != nullptr) {
        StoreCodes(levels, width, code_chunks.At(codes + chunk));
        code_chunks.Done(codes + chunk, width);
      }
      if (reals != nullptr) {
        StoreReal(levels, width, grid, real_chunks.At(reals + chunk));
        real_chunks.Done(reals + chunk, width);
      }
      if (a.mask != nullptr) PackMask(flags, width, a.mask + chunk / 8);
    }
    seen[block] = here;
  });
  if (a.min != nullptr) {
    const Seen all = CombineSeen(seen, blocks, a.lower, a.upper);
    *a.min = all.extent.least;
    *a.max = all.extent.most;
    *a.nans = all.nans;
  }
  return QT_OK;
}

// dbias and dcorrection from the sums that the pass left; value(i, lane) is what the correction
// multiplied.
template <class T, class Args, class Value>
void Backward(qt_context& ctx, const Args& a, const float* factor, float* partials, Value value) {
  CorrectedGradient(ctx, static_cast<const T*>(a.dy), a.mask, static_cast<T*>(a.dx), a.rows,
                    a.channels, factor, value, partials);
  const int64_t lanes = Lanes(a.channels);
  for (int64_t c = 0; c < a.channels; ++c) {
    a.dbias[c] = partials[c];
    if (a.dcorrection != nullptr) a.dcorrection[c] = partials[lanes + c];
  }
}

// Repeats a per-channel value over the lanes; null gives 1.
void RepeatOrOne(const float* values, int64_t channels, float* lanes) {
  if (values != nullptr) {
    RepeatChannels(values, channels, lanes);
  } else {
    for (int64_t j = 0; j < Lanes(channels); ++j) lanes[j] = 1.0f;
  }
}

template <class T>
qt_status AccBackward(qt_context& ctx, const qt_epilogue_backward_args& a) {
  const int64_t lanes = Lanes(a.channels);
  float* const factor =
      ScratchArray<float>(ctx, 2 * lanes + CorrectedGradientScratch(a.rows, a.channels));
  if (factor == nullptr) return QT_OUT_OF_MEMORY;
  float* const unit = factor + lanes;
  float* const partials = unit + lanes;
  RepeatOrOne(a.correction, a.channels, factor);
  if (a.dcorrection == nullptr) {
    Backward<T>(ctx, a, factor, partials, [](int64_t, int64_t) { return 0.0f; });
    return QT_OK;
  }
  RepeatChannels(a.unit, a.channels, unit);
  const int32_t* acc = a.acc;
  Backward<T>(ctx, a, factor, partials,
              [=](int64_t i, int64_t j) { return math::DequantizeAcc(acc[i], unit[j]); });
  return QT_OK;
}

template <class T>
qt_status RealBackward(qt_context& ctx, const qt_epilogue_f32_backward_args& a) {
  const int64_t lanes = Lanes(a.channels);
  float* const factor =
      ScratchArray<float>(ctx, lanes + CorrectedGradientScratch(a.rows, a.channels));
  if (factor == nullptr) return QT_OUT_OF_MEMORY;
  float* const partials = factor + lanes;
  RepeatOrOne(a.correction, a.channels, factor);
  const T* x = static_cast<const T*>(a.x);
  if (a.dcorrection == nullptr) {
    Backward<T>(ctx, a, factor, partials, [](int64_t, int64_t) { return 0.0f; });
  } else {
    Backward<T>(ctx, a, factor, partials,
                [=](int64_t i, int64_t) { return math::Widen(x[i]); });
  }
  return QT_OK;
}

}  // namespace

qt_status epilogue(qt_context& ctx, const qt_epilogue_args& a) {
  return a.code_type == QT_U8 ? EpilogueOf<uint8_t>(ctx, a) : EpilogueOf<int8_t>(ctx, a);
}

qt_status epilogue_backward(qt_context& ctx, const qt_epilogue_backward_args& a) {
  if (a.channels == 0) return QT_OK;
  return a.element_type == QT_ELEMENT_F32 ? AccBackward<float>(ctx, a)
                                          : AccBackward<math::Bf16>(ctx, a);
}

qt_status epilogue_f32(qt_context& ctx, const qt_epilogue_f32_args& a) {
  const bool u8 = a.code_type == QT_U8;
  if (a.element_type == QT_ELEMENT_F32) {
    return u8 ? EpilogueReal<float, uint8_t>(ctx, a) : EpilogueReal<float, int8_t>(ctx, a);
  }
  return u8 ? EpilogueReal<math::Bf16, uint8_t>(ctx, a) : EpilogueReal<math::Bf16, int8_t>(ctx, a);
}

qt_status epilogue_f32_backward(qt_context& ctx, const qt_epilogue_f32_backward_args& a) {
  if (a.channels == 0) return QT_OK;
  return a.element_type == QT_ELEMENT_F32 ? RealBackward<float>(ctx, a)
                                          : RealBackward<math::Bf16>(ctx, a);
}

}  // namespace qt::cpu::QT_ISA
