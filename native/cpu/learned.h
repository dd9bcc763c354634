// Loops of the quantizers with learned values: math/learned.h over a [outer, channels,
// inner] tensor in one pass, sums per channel included. Rules that take vectors go straight from
// and to memory (vector.h). Elements of the others go in chunks that stay in the first cache; bf16
// is widened and narrowed there.
//
// Order of sums, which depends on the shape only. An element belongs to a lane; per block and lane
// 4 rows of lanes at a time as a tree, then row by row; then blocks and lanes pairwise. Two walks:
//   columns  one channel, inner = 1, or a short plane of channels * inner: the plane, repeated to
//            64 lanes at least, is a row of lanes
//   pieces   else: a run of inner elements is cut into pieces of a block, each with its own lanes
#ifndef QUANTRAIN_CPU_LEARNED_H_
#define QUANTRAIN_CPU_LEARNED_H_

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/points.h"
#include "cpu/stream.h"
#include "cpu/vector.h"
#include "math/bf16.h"
#include "math/learned.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {

constexpr int64_t kLearnedChunk = 1024;

template <class Args>
using ValueOf = typename math::Learned<Args>::Value;
template <class Args>
constexpr int64_t kValues = sizeof(ValueOf<Args>) / sizeof(float);

// The values of one channel for every lane, or a table of them: value k of a lane is
// table[k * lanes + lane].
template <class Value>
struct OneChannel {
  Value value;
  Value At(int64_t) const { return value; }
#if QT_VECTORS
  // As a struct of vectors.
  template <class Vectors>
  Vectors VectorsAt(int64_t) const {
    constexpr int kCount = sizeof(Value) / sizeof(float);
    float v[kCount];
    memcpy(v, &value, sizeof(v));
    if constexpr (kCount == 2) {
      return {Vector(v[0]), Vector(v[1])};
    } else {
      static_assert(kCount == 3);
      return {Vector(v[0]), Vector(v[1]), Vector(v[2])};
    }
  }
#endif
};

template <class Value>
struct LaneTable {
  const float* table;
  int64_t lanes;
#if QT_VECTORS
  template <class Vectors>
  Vectors VectorsAt(int64_t lane) const {
    const float* t = table + lane;
    if constexpr (sizeof(Value) == 2 * sizeof(float)) {
      return {LoadVector(t), LoadVector(t + lanes)};
    } else {
      static_assert(sizeof(Value) == 3 * sizeof(float));
      return {LoadVector(t), LoadVector(t + lanes), LoadVector(t + 2 * lanes)};
    }
  }
#endif
  Value At(int64_t lane) const {
    const float* t = table + lane;
    if constexpr (sizeof(Value) == 2 * sizeof(float)) {
      return {t[0], t[lanes]};
    } else if constexpr (sizeof(Value) == 3 * sizeof(float)) {
      return {t[0], t[lanes], t[2 * lanes]};
    } else {
      static_assert(sizeof(Value) == 8 * sizeof(float));
      return {t[0],         t[lanes],     t[2 * lanes], t[3 * lanes],
              t[4 * lanes], t[5 * lanes], t[6 * lanes], t[7 * lanes]};
    }
  }
};

// What a kernel reads and writes besides its channels' values. X: where x comes from, a pointer or
// Computed.
template <class T, class X = const T*>
struct RealTensors {
  X x;
  const T* dy;  // null for a forward kernel
  T* out;       // or null
  bool stream;  // out past the caches
};

// x that an Op of points.h computes, chunk by chunk.
template <class Op>
struct Computed {
  Op op;
  int64_t channels;  // of its tables
};

// The n elements of x from i on: there, or in the buffer.
template <class T>
inline const T* ChunkOf(const T* x, int64_t i, int64_t, float*) {
  return x + i;
}
template <class Op>
inline const float* ChunkOf(const Computed<Op>& x, int64_t i, int64_t n, float* buffer) {
  Op op = x.op;
  uint8_t* const no_mask = nullptr;
  Points<false, false>(&op, i, n, x.channels, buffer, no_mask);
  return buffer;
}

inline const float* WidenChunk(const float* x, int64_t, float*) { return x; }
inline const float* WidenChunk(const math::Bf16* x, int64_t n, float* buffer) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) buffer[i] = math::Widen(x[i]);
  return buffer;
}

// Where the loops write a chunk of out: there, or to a buffer that NarrowChunk takes it from.
inline float* FloatsOf(float* out, float* buffer) { return out == nullptr ? buffer : out; }
inline float* FloatsOf(math::Bf16*, float* buffer) { return buffer; }

inline void NarrowChunk(const float*, int64_t, float*) {}
inline void NarrowChunk(const float* buffer, int64_t n, math::Bf16* out) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) math::Narrow(buffer[i], out + i);
}

// n elements that begin in lane `first` of rows of `lanes` (n <= lanes unless first = 0);
// sums[k * lanes + lane] is added to. By value, so that a store cannot change what the loop reads.
template <class Args, class Values>
inline void ApplyRows(const Args args, const float* x, const float* dy, float* out, int64_t n,
                      int64_t first, int64_t lanes, const Values values, float* sums) {
  using math::Term;
  constexpr int kSums = math::Learned<Args>::kSums;
  float* const second = sums + lanes;
  float* const third = second + lanes;
  // The bodies of the loops are functions: a struct that is declared in a vector loop itself
  // becomes an array over the vector's lanes, in memory.
  const auto apply = [=](int64_t i, int64_t lane) {
    return math::Apply(args, x[i], kSums == 0 ? 0.0f : dy[i], values.At(lane));
  };
  const auto four_rows = [=](int64_t i, int64_t lane) {
    const Term a = apply(i, lane), b = apply(i + lanes, lane);
    const Term c = apply(i + 2 * lanes, lane), d = apply(i + 3 * lanes, lane);
    out[i] = a.out;
    out[i + lanes] = b.out;
    out[i + 2 * lanes] = c.out;
    out[i + 3 * lanes] = d.out;
    if (kSums > 0) sums[lane] += (a.sum[0] + b.sum[0]) + (c.sum[0] + d.sum[0]);
    if (kSums > 1) second[lane] += (a.sum[1] + b.sum[1]) + (c.sum[1] + d.sum[1]);
    if (kSums > 2) third[lane] += (a.sum[2] + b.sum[2]) + (c.sum[2] + d.sum[2]);
  };
  const auto one_row = [=](int64_t i, int64_t lane) {
    const Term a = apply(i, lane);
    out[i] = a.out;
    if (kSums > 0) sums[lane] += a.sum[0];
    if (kSums > 1) second[lane] += a.sum[1];
    if (kSums > 2) third[lane] += a.sum[2];
  };
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) four_rows(i + j, j);
  }
  for (; i < n; i += lanes) {
    const int64_t width = Min(lanes, n - i);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) one_row(i + j, first + j);
  }
}

#if QT_VECTORS
// Whether a rule takes vectors, with values that are two or three floats.
template <class Args, class = void>
struct TakesVectors : std::false_type {};
template <class Args>
struct TakesVectors<Args, std::void_t<typename math::Learned<Args>::template Of<Vector>>>
    : std::true_type {};

// The same in vectors, two at a time, straight from and to memory.
template <bool kStream, class Args, class T, class Values>
inline void ApplyVectors(const Args args, const T* x, const T* dy, T* out, int64_t n, int64_t first,
                         int64_t lanes, const Values values, float* sums) {
  using Term = math::TermOf<Vector>;
  using Value = typename math::Learned<Args>::template Of<Vector>;
  constexpr int kSums = math::Learned<Args>::kSums;
  constexpr int64_t kSize = Vector::kSize, kStep = 2 * kSize;
  struct Two {
    Term a, b;
  };
  // Of the sums; summed at once, few are in registers at a time.
  const auto plus = [](const Two& p, const Two& q) {
    Two r;
    for (int s = 0; s < kSums; ++s) {
      r.a.sum[s] = p.a.sum[s] + q.a.sum[s];
      r.b.sum[s] = p.b.sum[s] + q.b.sum[s];
    }
    return r;
  };
  const auto two = [=](int64_t i, int64_t lane) {
    FetchAhead<2>(x + i);
    if (kSums > 0) FetchAhead<2>(dy + i);
    Vector d[2] = {Vector(0.0f), Vector(0.0f)};
    for (int k = 0; k < 2 && kSums > 0; ++k) d[k] = LoadVector(dy + i + k * kSize);
    const Two t = {
        math::Apply(args, LoadVector(x + i), d[0], values.template VectorsAt<Value>(lane)),
        math::Apply(args, LoadVector(x + i + kSize), d[1],
                    values.template VectorsAt<Value>(lane + kSize))};
    StoreTwo<kStream>(t.a.out, t.b.out, out + i);
    return t;
  };
  const auto add = [=](int64_t lane, int s, Vector a, Vector b) {
    float* const sum = sums + s * lanes + lane;
    StoreVector(LoadVector(sum) + a, sum);
    StoreVector(LoadVector(sum + kSize) + b, sum + kSize);
  };
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    for (int64_t j = 0; j < lanes; j += kStep) {
      const Two a = two(i + j, j);
      const Two low = plus(a, two(i + lanes + j, j));
      const Two c = two(i + 2 * lanes + j, j);
      const Two four = plus(low, plus(c, two(i + 3 * lanes + j, j)));
      for (int s = 0; s < kSums; ++s) add(j, s, four.a.sum[s], four.b.sum[s]);
    }
  }
  for (; i < n; i += lanes) {
    const int64_t width = Min(lanes, n - i);
    int64_t j = 0;
    for (; j + kStep <= width; j += kStep) {
      const Two a = two(i + j, first + j);
      for (int s = 0; s < kSums; ++s) add(first + j, s, a.a.sum[s], a.b.sum[s]);
    }
    for (; j < width; ++j) {
      const math::Term a =
          math::Apply(args, math::Widen(x[i + j]), kSums == 0 ? 0.0f : math::Widen(dy[i + j]),
                      values.At(first + j));
      math::Narrow(a.out, out + i + j);
      for (int s = 0; s < kSums; ++s) sums[s * lanes + first + j] += a.sum[s];
    }
  }
}
#endif

// The elements [begin, end), which begin in lane 0, in chunks of whole groups of 4 rows, or of
// parts of a row where rows are long.
template <class Args, class T, class X, class Values>
inline void ApplyBlock(const Args& args, const RealTensors<T, X>& t, int64_t begin, int64_t end,
                       int64_t lanes, const Values& values, float* sums) {
  alignas(64) float x_buffer[kLearnedChunk];
  float dy_buffer[kLearnedChunk], buffer[kLearnedChunk];
  ChunkOut<T, kLearnedChunk> chunks(t.stream);
  const bool grouped = 4 * lanes <= kLearnedChunk;
  const int64_t group = kLearnedChunk / (4 * lanes) * (4 * lanes);
  int64_t lane = 0;
#if QT_VECTORS
  const bool vectors = TakesVectors<Args>::value && t.out != nullptr && lanes % 32 == 0 &&
                       reinterpret_cast<uintptr_t>(t.out + begin) % 64 == 0;
#endif
  for (int64_t i = begin; i < end;) {
    const int64_t n = Min(end - i, grouped ? group : Min(kLearnedChunk, lanes - lane));
    const T* const from = ChunkOf(t.x, i, n, x_buffer);
#if QT_VECTORS
    if constexpr (TakesVectors<Args>::value) {
      if (vectors) {
        const T* const d = t.dy == nullptr ? nullptr : t.dy + i;
        if (t.stream) {
          ApplyVectors<true>(args, from, d, t.out + i, n, lane, lanes, values, sums);
        } else {
          ApplyVectors<false>(args, from, d, t.out + i, n, lane, lanes, values, sums);
        }
        if (!grouped) lane = lane + n == lanes ? 0 : lane + n;
        i += n;
        continue;
      }
    }
#endif
    const float* x = WidenChunk(from, n, x_buffer);
    const float* dy = t.dy == nullptr ? nullptr : WidenChunk(t.dy + i, n, dy_buffer);
    T* const to = t.out == nullptr ? nullptr : chunks.At(t.out + i);
    float* const out = FloatsOf(to, buffer);
    ApplyRows(args, x, dy, out, n, lane, lanes, values, sums);
    if (to != nullptr) {
      NarrowChunk(out, n, to);
      chunks.Done(t.out + i, n);
    }
    if (!grouped) lane = lane + n == lanes ? 0 : lane + n;
    i += n;
  }
}

// Floats of memory that the walk by columns takes: sums of every block, then the table.
template <class Args>
inline int64_t LearnedColumnsScratch(int64_t rows, int64_t channels, int64_t inner) {
  const int64_t plane = channels * inner;
  const int64_t blocks = Max(1, DivUp(rows, RowsPerBlock(plane)));
  const int64_t values = channels == 1 ? 0 : kValues<Args>;
  return (blocks * math::Learned<Args>::kSums + values) * Lanes(plane) + 1;
}

// Walk "columns": a plane of channels * inner elements is a row.
template <class Args, class T, class X>
void LearnedColumns(qt_context& ctx, const Args& args, const RealTensors<T, X>& tensors,
                    int64_t rows, int64_t channels, int64_t inner, float* partials) {
  constexpr int64_t kSums = math::Learned<Args>::kSums;
  const int64_t plane = channels * inner, lanes = Lanes(plane);
  const int64_t step = RowsPerBlock(plane), blocks = Max(1, DivUp(rows, step));
  const bool one = channels == 1;
  float* const table = partials + blocks * kSums * lanes;
  for (int64_t c = 0; c < channels && !one; ++c) {
    const ValueOf<Args> channel = math::Load(args, c);
    float value[kValues<Args>];
    memcpy(value, &channel, sizeof(channel));
    for (int64_t copy = 0; copy < lanes; copy += plane) {
      for (int64_t k = 0; k < kValues<Args>; ++k) {
        float* out = table + k * lanes + copy + c * inner;
        for (int64_t j = 0; j < inner; ++j) out[j] = value[k];
      }
    }
  }
  const OneChannel<ValueOf<Args>> values = {math::Load(args, 0)};
  const LaneTable<ValueOf<Args>> lane_values = {table, lanes};
  memset(partials, 0, sizeof(float) * kSums * lanes);
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t begin, int64_t end) {
    float* sums = partials + block * kSums * lanes;
    memset(sums, 0, sizeof(float) * kSums * lanes);
    if (one) {
      ApplyBlock(args, tensors, begin, end, lanes, values, sums);
    } else {
      ApplyBlock(args, tensors, begin * plane, end * plane, lanes, lane_values, sums);
    }
  });
  if (kSums == 0) return;
  CombineLanes(partials, blocks, plane, kSums * lanes);
  const auto add = [](float a, float b) { return a + b; };
  for (int64_t c = 0; c < channels; ++c) {
    float sum[kSums + 1];
    for (int64_t k = 0; k < kSums; ++k) {
      float* lane = partials + k * lanes + c * inner;
      CombinePairwise(lane, inner, 1, add);
      sum[k] = lane[0];
    }
    math::Store(args, c, math::Load(args, c), sum);
  }
}

// Walk "pieces": of every channel's runs in order of outer; partial sums lie channel by channel.
template <class Args, class T>
qt_status LearnedPieces(qt_context& ctx, const Args& args, const RealTensors<T>& tensors,
                        int64_t outer, int64_t channels, int64_t inner) {
  constexpr int64_t kSums = math::Learned<Args>::kSums;
  constexpr int64_t kLanes = 64;
  const int64_t pieces = DivUp(inner, kBlock), units = outer * pieces;  // of a channel
  const int64_t lanes = inner >= 16 * kLanes ? kLanes : 16;
  float* const partials = ScratchArray<float>(ctx, channels * units * kSums + kSums + 1);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  const auto add = [](float a, float b) { return a + b; };
  ParallelBlocks(ctx, channels * units, ItemsPerBlock(Min(inner, kBlock)),
                 [=](int64_t, int64_t first, int64_t last) {
                   for (int64_t u = first; u < last; ++u) {
                     const int64_t c = u / units, o = u % units / pieces, piece = u % pieces;
                     const int64_t run = (o * channels + c) * inner;
                     const OneChannel<ValueOf<Args>> values = {math::Load(args, c)};
                     float sums[(kSums + 1) * kLanes];
                     memset(sums, 0, sizeof(float) * kSums * lanes);
                     ApplyBlock(args, tensors, run + piece * kBlock,
                                run + Min(inner, (piece + 1) * kBlock), lanes, values, sums);
                     for (int64_t k = 0; k < kSums; ++k) {
                       CombinePairwise(sums + k * lanes, lanes, 1, add);
                       partials[u * kSums + k] = sums[k * lanes];
                     }
                   }
                 });
  if (kSums == 0) return QT_OK;
  ParallelBlocks(ctx, channels, ItemsPerBlock(units), [=](int64_t, int64_t first, int64_t last) {
    for (int64_t c = first; c < last; ++c) {
      const float none[kSums + 1] = {0.0f};
      float* sums = partials + c * units * kSums;
      CombinePairwise(sums, units, kSums, add);
      math::Store(args, c, math::Load(args, c), units == 0 ? none : sums);
    }
  });
  return QT_OK;
}

template <class Args, class T>
qt_status LearnedWalk(qt_context& ctx, const Args& args, const RealTensors<T>& tensors,
                      int64_t outer, int64_t channels, int64_t inner) {
  if (channels == 0) return QT_OK;
  const auto columns = [&](int64_t rows, int64_t plane_channels, int64_t plane_inner) {
    float* const scratch = ScratchArray<float>(
        ctx, LearnedColumnsScratch<Args>(rows, plane_channels, plane_inner));
    if (scratch == nullptr) return QT_OUT_OF_MEMORY;
    LearnedColumns(ctx, args, tensors, rows, plane_channels, plane_inner, scratch);
    return QT_OK;
  };
  if (channels == 1) return columns(outer * inner, 1, 1);
  // A short plane pays where it is repeated. An empty one makes no row.
  const bool is_short = inner > 0 && inner < 256 && channels * inner <= 65536;
  if (inner == 1 || (is_short && outer >= 4)) {
    return columns(outer, channels, inner);
  }
  return LearnedPieces(ctx, args, tensors, outer, channels, inner);
}

// dy null: a forward kernel.
template <class Args>
qt_status LearnedKernel(qt_context& ctx, const Args& a, const void* dy, void* out) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const int64_t tensors_moved = 1 + (dy != nullptr) + (out != nullptr);
    const int64_t bytes =
        a.outer * a.channels * a.inner * tensors_moved * static_cast<int64_t>(sizeof(Real));
    const bool in_place = out == a.x || out == dy;
    const RealTensors<Real> tensors = {static_cast<const Real*>(a.x), static_cast<const Real*>(dy),
                                       static_cast<Real*>(out), Streams(bytes) && !in_place};
    return LearnedWalk(ctx, a, tensors, a.outer, a.channels, a.inner);
  });
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_LEARNED_H_
