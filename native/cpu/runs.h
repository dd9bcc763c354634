// Elementwise kernels over a [outer, channels, inner] tensor with values per channel and one output.
// One pass over memory: elements go in blocks of kBlock to the threads and in chunks of kChunk
// through the vector loops. Outputs too large for the caches are streamed (stream.h).
#ifndef QUANTRAIN_CPU_RUNS_H_
#define QUANTRAIN_CPU_RUNS_H_

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/step.h"

namespace qt::cpu::QT_ISA {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// A per-channel value along a run of elements: the same for all, or one per element. Of a scale also
// the level of a number on its grid, by a division or, as a step, by its reciprocal.
struct Same {
  float value;
  float operator[](int64_t) const { return value; }
  float Level(float x, int64_t, float zero_point) const {
    return math::Level(x, value, zero_point);
  }
};

struct Each {
  const float* values;
  float operator[](int64_t i) const { return values[i]; }
  float Level(float x, int64_t i, float zero_point) const {
    return math::Level(x, values[i], zero_point);
  }
};

struct SameStep {
  float scale, reciprocal;
  float operator[](int64_t) const { return scale; }
  float Level(float x, int64_t, float zero_point) const {
    return math::LevelByReciprocal(x, scale, reciprocal, zero_point);
  }
};

struct EachStep {
  const float* scales;
  const float* reciprocals;
  float operator[](int64_t i) const { return scales[i]; }
  float Level(float x, int64_t i, float zero_point) const {
    return math::LevelByReciprocal(x, scales[i], reciprocals[i], zero_point);
  }
};

// scale null is 1, zero_point null is 0.
struct ChannelGrid {
  int64_t outer, channels, inner;
  const float* scale;
  const int32_t* zero_point;

  int64_t elements() const { return outer * channels * inner; }
  // A periodic table of values pays where it is short and used more than once.
  bool Tabled() const {
    return channels > 1 &&
           (inner == 1 || (inner < 256 && channels * inner <= 65536 && outer >= 4));
  }
  float Scale(int64_t c) const { return scale == nullptr ? 1.0f : scale[c]; }
  float ZeroPoint(int64_t c) const {
    return zero_point == nullptr ? 0.0f : static_cast<float>(zero_point[c]);
  }
};

template <class Args>
inline ChannelGrid GridOf(const Args& a) {
  return {a.outer, a.channels, a.inner, a.scale, a.zero_point};
}

// Scratch memory that a body uses beside the table, because a kernel asks for scratch once.
struct OwnScratch {
  int64_t bytes = 0;
  uint8_t** memory = nullptr;  // set before the first call of the body
  int64_t block = kBlock;      // a multiple of it
};

// Calls body(i, n, to, flags, scale, zero_point) for runs of elements [i, i + n): it writes to[0] ..
// to[n - 1], the elements from i on of out, and with kMask flags[0] .. flags[n - 1], 0 or -1, which
// become the bits of mask. bytes: read and written by the call; in_place: out is an input; own: scratch
// of the caller, and the elements of its blocks.
//   channels = 1        a chunk is one run with one scale
//   inner = 1 or small  a chunk is one run over a periodic table of scales, entered at its phase
//   otherwise           runs end where a channel ends
// kDivides: the body takes levels of its scale, which is then a step where it can be.
template <bool kMask, bool kDivides, class Out, class Body>
inline qt_status ForEachRun(qt_context& ctx, const ChannelGrid& grid, Out* out, uint8_t* mask,
                            int64_t bytes, bool in_place, Body body, const OwnScratch& own = {}) {
  const int64_t n = grid.elements(), channels = grid.channels, inner = grid.inner;
  if (n == 0) return QT_OK;
  const int64_t plane = channels * inner, period = plane + Min(kChunk, n);
  const bool tabled = grid.Tabled();
  float* table = nullptr;
  if (tabled || own.bytes > 0) {
    const int64_t own_bytes = DivUp(own.bytes, 64) * 64;
    uint8_t* const scratch =
        ScratchArray<uint8_t>(ctx, own_bytes + (tabled ? 12 * period : int64_t{0}));
    if (scratch == nullptr) return QT_OUT_OF_MEMORY;
    table = reinterpret_cast<float*>(scratch + own_bytes);
    if (own.bytes > 0) *own.memory = scratch;
  }
  bool table_multiplies = true;
  if (tabled) {
    for (int64_t i = 0, c = 0; i < period; c = c + 1 == channels ? 0 : c + 1) {
      const math::Step step = math::StepOf(grid.Scale(c));
      table_multiplies = table_multiplies && math::Multiplies(step);
      for (const int64_t stop = Min(period, i + inner); i < stop; ++i) {
        table[i] = step.scale;
        table[period + i] = grid.ZeroPoint(c);
        table[2 * period + i] = step.reciprocal;
      }
    }
  }
  const bool stream = Streams(bytes) && !in_place;
  const auto same = [=](int64_t at, int64_t count, Out* to, int32_t* flags, int64_t c) {
    const Same zero_point = {grid.ZeroPoint(c)};
    if constexpr (kDivides) {
      const math::Step step = math::StepOf(grid.Scale(c));
      if (math::Multiplies(step)) {
        body(at, count, to, flags, SameStep{step.scale, step.reciprocal}, zero_point);
        return;
      }
    }
    body(at, count, to, flags, Same{grid.Scale(c)}, zero_point);
  };
  const auto each = [=](int64_t at, int64_t count, Out* to, int32_t* flags) {
    const float* const phase = table + at % plane;
    const Each zero_point = {phase + period};
    if constexpr (kDivides) {
      if (table_multiplies) {
        body(at, count, to, flags, EachStep{phase, phase + 2 * period}, zero_point);
        return;
      }
    }
    body(at, count, to, flags, Each{phase}, zero_point);
  };
  ParallelBlocks(ctx, n, own.block, [=](int64_t, int64_t begin, int64_t end) {
    int32_t flags[kMask ? kChunk : 1];
    ChunkOut<Out, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t count = Min(end - chunk, kChunk);
      Out* const to = chunks.At(out + chunk);
      if (channels == 1) {
        same(chunk, count, to, flags, 0);
      } else if (tabled) {
        each(chunk, count, to, flags);
      } else {
        int64_t c = chunk / inner % channels, left = inner - chunk % inner;
        for (int64_t i = 0; i < count;) {
          const int64_t run = Min(left, count - i);
          same(chunk + i, run, to + i, flags + i, c);
          i += run;
          left = inner;
          c = c + 1 == channels ? 0 : c + 1;
        }
      }
      chunks.Done(out + chunk, count);
      if (kMask) PackMask(flags, count, mask + chunk / 8);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_RUNS_H_
