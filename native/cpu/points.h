// Elementwise kernels whose operation keeps something of what it saw, or enters tables of values
// per channel at the phase of a chunk. Loops and stores are those of vector.h: straight from the
// register, past the caches where the call is large. An Op says what happens to an element:
//   kLine, Fetch(i)  elements of its widest input per cache line, and a prefetch of what it reads
//                    a little after element i
//   At<T>(i, at)     element i, or as many from there as T has, as a Spot; `at` is its place in a
//                    table of values per channel (RepeatedTable)
//   Finish(block)    after the elements of a block
// Every block has an Op of its own, a copy.
#ifndef QUANTRAIN_CPU_POINTS_H_
#define QUANTRAIN_CPU_POINTS_H_

#include "cpu/mask.h"
#include "cpu/runs.h"
#include "cpu/stream.h"
#include "cpu/words.h"

namespace qt::cpu::QT_ISA {

// What an element becomes, a number or an integer, and whether its mask bit is set.
template <class Y, class Truth>
struct Spot {
  Y y;
  Truth kept;
};
template <class Y, class Truth>
QT_HD Spot<Y, Truth> SpotOf(Y y, Truth kept) {
  return {y, kept};
}

template <class Code>
QT_HD void StorePoint(int32_t y, Code* out) {
  *out = static_cast<Code>(y);
}

// Elements that a loop takes at once, at most.
constexpr int64_t kMostAtOnce = 64;

// Elements of a table of values per channel that repeats its first ones, so that what a loop takes
// at once lies together in it wherever it begins. It stays in the nearest cache beside others.
inline int64_t RepeatedTable(int64_t channels) { return channels + kMostAtOnce; }

// values null: `otherwise`. Without channels nothing will be read, and nothing is filled.
template <class T>
inline void FillTable(T* table, int64_t size, int64_t channels, const T* values, T otherwise) {
  for (int64_t c = 0; c < Min(channels, size); ++c) {
    table[c] = values == nullptr ? otherwise : values[c];
  }
  for (int64_t filled = channels; 0 < filled && filled < size; filled *= 2) {
    memcpy(table + filled, table, sizeof(T) * static_cast<size_t>(Min(filled, size - filled)));
  }
}

// A place in a table of values per channel.
class TablePlace {
 public:
  TablePlace(int64_t i, int64_t channels) : channels_(channels), at_(i % channels) {}
  int64_t at() const { return at_; }
  // step: less than a round.
  void Go(int64_t step) {
    at_ += step;
    if (at_ >= channels_) at_ -= channels_;
  }

 private:
  const int64_t channels_;
  int64_t at_;
};

// The elements [i, i + n), which begin a byte of the mask; to is where they go.
template <bool kMask, bool kStream, class Op, class Out>
inline void Points(Op* op, int64_t i, int64_t n, int64_t channels, Out* to, uint8_t* mask) {
  Op own = *op;  // in registers
  TablePlace place(i, channels);
  int64_t j = 0;
#if QT_VECTORS
  constexpr int64_t kStep = 4 * Vector::kSize;
  static_assert(kStep <= kMostAtOnce, "tables are too short");
  const int64_t turn = kStep % channels;
  for (; j + kStep <= n; j += kStep, place.Go(turn)) {
    const int64_t at = place.at();
    decltype(own.template At<Vector>(i, at).y) y[4];
    uint64_t bits = 0;
    for (int k = 0; k < 4; ++k) {
      const int64_t lane = k * Vector::kSize;
      if (lane % Op::kLine == 0) own.Fetch(i + j + lane);
      const auto spot = own.template At<Vector>(i + j + lane, at + lane);
      if (kMask) bits |= Bits(spot.kept) << lane;
      y[k] = spot.y;
    }
    if (kMask) memcpy(mask + (i + j) / 8, &bits, kStep / 8);
    StoreVectors<kStream>(y, to + j);
  }
#endif
  const int64_t turn_of_8 = 8 % channels;
  for (; j < n; j += 8, place.Go(turn_of_8)) {
    unsigned bits = 0;
    for (int64_t k = j; k < n && k < j + 8; ++k) {
      const auto spot = own.template At<float>(i + k, place.at() + k - j);
      bits |= static_cast<unsigned>(spot.kept) << (k - j);
      StorePoint(spot.y, &to[k]);
    }
    if (kMask) mask[(i + j) / 8] = static_cast<uint8_t>(bits);
  }
  if constexpr (std::is_copy_assignable_v<Op>) *op = own;  // one that keeps something
}

// The elements [begin, end), a block.
template <bool kMask, class Op, class Out>
inline void PointsOfBlock(Op* op, int64_t begin, int64_t end, int64_t channels, Out* out,
                          uint8_t* mask, bool stream) {
  const bool direct = QT_VECTORS && stream && reinterpret_cast<uintptr_t>(out) % 64 == 0;
  ChunkOut<Out, kChunk> chunks(stream && !direct);
  for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
    const int64_t count = Min(end - chunk, kChunk);
    Out* const to = chunks.At(out + chunk);
    if (direct) {
      Points<kMask, true>(op, chunk, count, channels, to, mask);
    } else {
      Points<kMask, false>(op, chunk, count, channels, to, mask);
    }
    chunks.Done(out + chunk, count);
  }
}

// n elements. bytes: read and written by the call; in_place: out is an input.
template <bool kMask, class Op, class Out>
inline void ForEachPoint(qt_context& ctx, int64_t n, int64_t channels, Out* out, uint8_t* mask,
                         int64_t bytes, bool in_place, const Op& op) {
  const bool stream = Streams(bytes) && !in_place;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    Op own = op;
    PointsOfBlock<kMask>(&own, begin, end, channels, out, mask, stream);
    own.Finish(block);
  });
}

// y[i] = f(a[i], at) or, with kTwo, f(a[i], b[i], at), of numbers widened to float or of vectors of
// them; both tensors are fetched `ahead` elements before.
template <class Real, bool kTwo, class F>
struct Mapped {
  static constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(Real));
  const Real* a;
  const Real* b;
  int64_t ahead;
  F f;

  void Fetch(int64_t i) const {
    __builtin_prefetch(a + i + ahead);
    if constexpr (kTwo) __builtin_prefetch(b + i + ahead);
  }
  template <class T>
  auto At(int64_t i, int64_t at) const {
    T y;
    if constexpr (kTwo) {
      y = f(LoadAs<T>(a + i), LoadAs<T>(b + i), at);
    } else {
      y = f(LoadAs<T>(a + i), at);
    }
    return SpotOf(y, math::Kept(y, y));
  }
  void Finish(int64_t) const {}
};

// The n elements of real tensors, element_type of all of them; b null without kTwo.
template <bool kTwo, class F>
inline void MapTensors(qt_context& ctx, int64_t n, int64_t channels, int32_t element_type,
                       const void* a, const void* b, void* y, F f) {
  math::WithReal(element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    constexpr int64_t kBytes = sizeof(Real);
    const Mapped<Real, kTwo, F> op = {static_cast<const Real*>(a), static_cast<const Real*>(b),
                                      kAhead / kBytes, f};
    uint8_t* const no_mask = nullptr;
    ForEachPoint<false>(ctx, n, channels, static_cast<Real*>(y), no_mask,
                        (kTwo ? 3 : 2) * kBytes * n, y == a || y == b, op);
  });
}

// y[i] = f(x[i], at).
template <class F>
inline void ForEachValue(qt_context& ctx, int64_t n, int64_t channels, int32_t element_type,
                         const void* x, void* y, F f) {
  MapTensors<false>(ctx, n, channels, element_type, x, nullptr, y, f);
}

// y[i] = f(a[i], b[i], at).
template <class F>
inline void ForEachValue(qt_context& ctx, int64_t n, int64_t channels, int32_t element_type,
                         const void* a, const void* b, void* y, F f) {
  MapTensors<true>(ctx, n, channels, element_type, a, b, y, f);
}

// The n elements of a row of dense tensors that lies in the nearest cache, because it was read
// before: what is fetched ahead is the next row. stream: past the caches. y[i] = f(x[i], i).
template <class Real, class F>
inline void MapRow(int64_t n, const Real* x, Real* y, bool stream, F f) {
  uint8_t* const no_mask = nullptr;
  Mapped<Real, false, F> op = {x, nullptr, n, f};
  PointsOfBlock<false>(&op, 0, n, n, y, no_mask, stream);
}

// y[i] = f(a[i], b[i], i).
template <class Real, class F>
inline void MapRow(int64_t n, const Real* a, const Real* b, Real* y, bool stream, F f) {
  uint8_t* const no_mask = nullptr;
  Mapped<Real, true, F> op = {a, b, n, f};
  PointsOfBlock<false>(&op, 0, n, n, y, no_mask, stream);
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_POINTS_H_
