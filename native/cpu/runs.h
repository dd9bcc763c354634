// PerElement kernels over a [outer, channels, inner] tensor with values per channel and one output.
// One pass over memory: elements go in blocks of kBlock to the threads and in chunks of kChunk
// through the vector loops. Outputs too large for the caches are streamed (stream.h).
//
// A kernel gives either a body, which loops over a run of elements itself, or, wrapped in an
// PerElement, what happens to one element; that one has the faster loops (vector.h).
#ifndef QUANTRAIN_CPU_RUNS_H_
#define QUANTRAIN_CPU_RUNS_H_

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "cpu/vector.h"
#include "math/step.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// The element of a tensor as a float, or as many as a vector has.
template <class T, class Real>
QT_HD T LoadAs(const Real* x) {
  if constexpr (sizeof(T) == sizeof(float)) {
    return math::Widen(*x);
  } else {
    return LoadVector(x);
  }
}

// What a run of elements lies in.
enum class Run { kChannel, kTable, kGroups };

// A per-channel value along a run of elements: the same for all, or one per element. Of a scale also
// the level of a number on its grid, by a division or, as a step, by its reciprocal.
struct Same {
  static constexpr Run kRun = Run::kChannel;
  float value;
  float operator[](int64_t) const { return value; }
  template <class T>
  T At(int64_t) const {
    return T(value);
  }
  template <class T>
  T Level(T x, int64_t, T zero_point) const {
    return math::Level(x, T(value), zero_point);
  }
};

struct Each {
  static constexpr Run kRun = Run::kTable;
  const float* values;
  float operator[](int64_t i) const { return values[i]; }
  template <class T>
  T At(int64_t i) const {
    return LoadAs<T>(values + i);
  }
  template <class T>
  T Level(T x, int64_t i, T zero_point) const {
    return math::Level(x, At<T>(i), zero_point);
  }
};

struct SameStep {
  static constexpr Run kRun = Run::kChannel;
  float scale, reciprocal;
  float operator[](int64_t) const { return scale; }
  template <class T>
  T At(int64_t) const {
    return T(scale);
  }
  template <class T>
  T Level(T x, int64_t, T zero_point) const {
    return math::LevelByReciprocal(x, T(scale), T(reciprocal), zero_point);
  }
};

struct EachStep {
  static constexpr Run kRun = Run::kTable;
  const float* scales;
  const float* reciprocals;
  float operator[](int64_t i) const { return scales[i]; }
  template <class T>
  T At(int64_t i) const {
    return LoadAs<T>(scales + i);
  }
  template <class T>
  T Level(T x, int64_t i, T zero_point) const {
    return math::LevelByReciprocal(x, At<T>(i), LoadAs<T>(reciprocals + i), zero_point);
  }
};

// Of a run in which 64 elements at a time have one value, from a multiple of 64 on.
struct SameIn64 {
  static constexpr Run kRun = Run::kGroups;
  const float* values;
  float operator[](int64_t i) const { return values[i >> 6]; }
  template <class T>
  T At(int64_t i) const {
    return T(values[i >> 6]);
  }
  template <class T>
  T Level(T x, int64_t i, T zero_point) const {
    return math::Level(x, At<T>(i), zero_point);
  }
};

struct SameStepIn64 {
  static constexpr Run kRun = Run::kGroups;
  const float* scales;
  const float* reciprocals;
  float operator[](int64_t i) const { return scales[i >> 6]; }
  template <class T>
  T At(int64_t i) const {
    return T(scales[i >> 6]);
  }
  template <class T>
  T Level(T x, int64_t i, T zero_point) const {
    return math::LevelByReciprocal(x, At<T>(i), T(reciprocals[i >> 6]), zero_point);
  }
};

// What an element becomes, and whether its mask bit is set.
template <class T>
struct Point {
  T y;
  decltype(math::Kept(T(), T())) kept;
};

QT_HD void StorePoint(float y, float* out) { math::Narrow(y, out); }
QT_HD void StorePoint(float y, math::Bf16* out) { math::Narrow(y, out); }
template <class Code>
QT_HD void StorePoint(float y, Code* out) {
  math::StoreCode(y, out);
}

// What looks at the elements of a run as they pass:
//   Meets(run)    whether it is made for such runs; it gets no others
//   Begin(i)      before the run from element i on
//   See<T>(i, j)  element i, or as many from there as T has; j is its place in the run
//   End(i, n)     after it
//   All(i, n)     or the whole run at once, before it is overwritten
struct NothingSeen {
  static constexpr bool Meets(Run) { return true; }
  void Begin(int64_t) {}
  template <class T>
  void See(int64_t, int64_t) {}
  void End(int64_t, int64_t) {}
  void All(int64_t, int64_t) {}
};

// The body of a kernel whose Op says what happens to an element:
//   Point<T> At<T>(i, j, scale, zero_point)    element i, or as many from there as T has; j is its
//                                              place in the run
//   Fetch(i)                                   FetchAhead<4> of the tensors that it reads
template <bool kMask, class Op, class Out, class Seen = NothingSeen>
struct PerElement {
  static constexpr bool kPerElement = true;
  // Groups are for vectors.
  static constexpr bool Meets(Run run) {
    return Seen::Meets(run) && (QT_VECTORS || run != Run::kGroups);
  }
  Op op;
  Out* out;
  uint8_t* mask;
  Seen seen = Seen();

  // flags null, as for groups: the run begins at a byte of the mask; its bits are stored there.
  template <class S, class Z>
  void operator()(int64_t i, int64_t n, Out* to, int32_t* flags, S s, Z z, bool stream) const {
    if (QT_VECTORS && (S::kRun == Run::kGroups || flags == nullptr)) {
      if (stream) {
        Vectors<true>(i, n, to, s, z);
      } else {
        Vectors<false>(i, n, to, s, z);
      }
      return;
    }
    Seen all = seen;
    all.All(i, n);
    const Op own = op;
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const Point<float> p = own.template At<float>(i + j, j, s, z);
      if (kMask) flags[j] = -static_cast<int32_t>(p.kept);
      StorePoint(p.y, &to[j]);
    }
  }

  // Not inlined, so that what it keeps stays in registers: 12 to 18 % of observe_fake_quant with 64
  // channels last (Zen 3).
  template <bool kStream, class S, class Z>
  __attribute__((noinline)) void Vectors(int64_t i, int64_t n, Out* to, S s, Z z) const {
    const Op own = op;
    Seen own_seen = seen;
    uint8_t* const own_mask = mask;  // a store of a byte could change this->mask
    own_seen.Begin(i);
    int64_t j = 0;
#if QT_VECTORS
    constexpr int64_t kStep = 4 * Vector::kSize;
    for (; j + kStep <= n; j += kStep) {
      own.Fetch(i + j);
      Vector y[4];
      uint64_t bits = 0;
      for (int k = 0; k < 4; ++k) {
        const int64_t at = k * Vector::kSize;
        own_seen.template See<Vector>(i + j + at, j + at);
        const Point<Vector> p = own.template At<Vector>(i + j + at, j + at, s, z);
        if (kMask) bits |= Bits(p.kept) << at;
        y[k] = p.y;
      }
      if (kMask) memcpy(own_mask + (i + j) / 8, &bits, kStep / 8);
      StoreVectors<kStream>(y, to + j);
    }
#endif
    for (; j < n; j += 8) {
      unsigned bits = 0;
      for (int64_t k = j; k < n && k < j + 8; ++k) {
        own_seen.template See<float>(i + k, k);
        const Point<float> p = own.template At<float>(i + k, k, s, z);
        bits |= static_cast<unsigned>(p.kept) << (k - j);
        StorePoint(p.y, &to[k]);
      }
      if (kMask) own_mask[(i + j) / 8] = static_cast<uint8_t>(bits);
    }
    own_seen.End(i, n);
  }
};

template <class Body, class = void>
struct IsPerElement : std::false_type {};
template <class Body>
struct IsPerElement<Body, std::void_t<decltype(Body::kPerElement)>> : std::true_type {};

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
// become the bits of mask (a PerElement may be told to write these itself). bytes: read and written by the call; in_place: out is an input; own: scratch
// of the caller, and the elements of its blocks.
//   channels = 1        a chunk is one run with one scale
//   inner = 1 or small  a chunk is one run over a periodic table of scales, entered at its phase
//   groups of 64        a chunk is one run over the scales of its groups
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
  // Runs of vectors, in whole bytes of the mask and, streamed, in whole registers.
  constexpr bool kPerElement = IsPerElement<Body>::value;
  const bool direct = QT_VECTORS && kPerElement && (channels == 1 || tabled || inner % 64 == 0) &&
                      reinterpret_cast<uintptr_t>(out) % 64 == 0;
  const auto run = [=](int64_t at, int64_t count, Out* to, int32_t* flags, auto s, auto z) {
    if constexpr (!kPerElement) {
      body(at, count, to, flags, s, z);
    } else if constexpr (Body::Meets(decltype(s)::kRun)) {
      body(at, count, to, flags, s, z, stream);
    }
  };
  const auto same = [=](int64_t at, int64_t count, Out* to, int32_t* flags, int64_t c) {
    const Same zero_point = {grid.ZeroPoint(c)};
    if constexpr (kDivides && math::kStepsMultiply) {
      const math::Step step = math::StepOf(grid.Scale(c));
      if (math::Multiplies(step)) {
        run(at, count, to, flags, SameStep{step.scale, step.reciprocal}, zero_point);
        return;
      }
    }
    run(at, count, to, flags, Same{grid.Scale(c)}, zero_point);
  };
  const auto each = [=](int64_t at, int64_t count, Out* to, int32_t* flags) {
    const float* const phase = table + at % plane;
    const Each zero_point = {phase + period};
    if constexpr (kDivides && math::kStepsMultiply) {
      if (table_multiplies) {
        run(at, count, to, flags, EachStep{phase, phase + 2 * period}, zero_point);
        return;
      }
    }
    run(at, count, to, flags, Each{phase}, zero_point);
  };
  // Multiples of 64, too short for a run each.
  bool grouped = direct && channels > 1 && !tabled && inner < kChunk;
  if constexpr (kPerElement) grouped = grouped && Body::Meets(Run::kGroups);
  const auto groups = [=](int64_t at, int64_t count, Out* to, int64_t c, int64_t left) {
    constexpr int64_t kGroups = kChunk / 64;
    float scale[kGroups] = {}, reciprocal[kGroups] = {}, zero_point[kGroups] = {};
    bool multiplies = kDivides;
    for (int64_t k = 0; k < count / 64; ++k) {
      const math::Step step = math::StepOf(grid.Scale(c));
      multiplies = multiplies && math::Multiplies(step);
      scale[k] = step.scale;
      reciprocal[k] = step.reciprocal;
      zero_point[k] = grid.ZeroPoint(c);
      left -= 64;
      if (left == 0) {
        left = inner;
        c = c + 1 == channels ? 0 : c + 1;
      }
    }
    if constexpr (kDivides && math::kStepsMultiply) {
      if (multiplies) {
        run(at, count, to, nullptr, SameStepIn64{scale, reciprocal}, SameIn64{zero_point});
        return;
      }
    }
    run(at, count, to, nullptr, SameIn64{scale}, SameIn64{zero_point});
  };
  ParallelBlocks(ctx, n, own.block, [=](int64_t, int64_t begin, int64_t end) {
    int32_t words[kMask ? kChunk : 1];
    int32_t* const flags = direct ? nullptr : words;
    ChunkOut<Out, kChunk> chunks(stream && !direct);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t count = Min(end - chunk, kChunk);
      Out* const to = chunks.At(out + chunk);
      if (channels == 1) {
        same(chunk, count, to, flags, 0);
      } else if (tabled) {
        each(chunk, count, to, flags);
      } else {
        int64_t c = chunk / inner % channels, left = inner - chunk % inner;
        if (grouped) {
          groups(chunk, count, to, c, left);
          continue;
        }
        for (int64_t i = 0; i < count;) {
          const int64_t n_run = Min(left, count - i);
          same(chunk + i, n_run, to + i, direct ? nullptr : words + i, c);
          i += n_run;
          left = inner;
          c = c + 1 == channels ? 0 : c + 1;
        }
      }
      chunks.Done(out + chunk, count);
      if (kMask && !direct) PackMask(words, count, mask + chunk / 8);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_RUNS_H_
