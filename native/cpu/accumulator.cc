// What happens to int32 accumulators: exact statistics, range, multiplier, requantize, dequantize.
// All are elementwise or integer sums, so every instruction set and thread count gives the same
// bits.
#include <type_traits>

#include "cpu/accumulator.h"
#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/points.h"
#include "math/epilogue.h"
#include "math/int128.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// False when out of memory.
bool MakeTable(qt_context& ctx, int64_t channels, const int32_t* bias, const int32_t* keep,
               const float* factor, ChannelTable* table) {
  int32_t* const memory = ScratchArray<int32_t>(ctx, ChannelTableWords(channels));
  if (memory == nullptr) return false;
  *table = FillChannelTable(channels, bias, keep, factor, memory);
  return true;
}

// Sums of one block, in lanes. Where the block's magnitudes allow it the number is summed in 32
// bits and its square in 64, else in 64 bits and in two halves of 32: 2^31 rows of halves fit in
// 64.
struct Sums {
  int64_t* sum;
  uint64_t* low;
  uint64_t* high;
  int32_t* min;
  int32_t* max;
};

constexpr int64_t kSumWords = 4;  // 64-bit words per lane

inline Sums SumsAt(int64_t* scratch, int64_t block, int64_t lanes) {
  int64_t* p = scratch + block * lanes * kSumWords;
  int32_t* extremes = reinterpret_cast<int32_t*>(p + 3 * lanes);
  return {p, reinterpret_cast<uint64_t*>(p + lanes), reinterpret_cast<uint64_t*>(p + 2 * lanes),
          extremes, extremes + lanes};
}

// Adds `rows` elements, a lane row apart, to the sums of a lane, all modulo their width.
void SumRows(const int32_t* acc, int64_t rows, int64_t lanes, int32_t* sum, uint64_t* square,
             int32_t* min, int32_t* max) {
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t a = acc[r * lanes];
    *sum = math::AddInt(*sum, a);
    *square += static_cast<uint64_t>(int64_t{a} * int64_t{a});
    *min = a < *min ? a : *min;
    *max = a > *max ? a : *max;
  }
}

#if QT_VECTORS
// The same of kCount vectors of lanes. Squares of a vector's even lanes come first, then those of
// the odd ones. Meanwhile as many elements from `next` on are fetched, in their order: the hardware
// follows streams and no columns.
template <int kCount>
void SumRowsOfVectors(const int32_t* acc, int64_t rows, int64_t lanes, const int32_t* next,
                      int32_t* sum, uint64_t* square, int32_t* min, int32_t* max) {
  constexpr int64_t kSize = Words::kSize;
  Words sums[kCount], least[kCount], most[kCount];
  SquareSums squares[kCount];
  for (int k = 0; k < kCount; ++k) {
    sums[k] = LoadWords(sum + k * kSize);
    squares[k] = SquareSums(square + k * kSize);
    least[k] = LoadWords(min + k * kSize);
    most[k] = LoadWords(max + k * kSize);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t* const row = acc + r * lanes;
    for (int k = 0; k < kCount; ++k) {
      if (k * kSize % 16 == 0) __builtin_prefetch(next + (r * kCount + k) * kSize);
      const Words a = LoadWords(row + k * kSize);
      sums[k] = AddInt(sums[k], a);
      squares[k].Add(a);
      least[k] = SmallerInt(least[k], a);
      most[k] = LargerInt(most[k], a);
    }
  }
  for (int k = 0; k < kCount; ++k) {
    StoreRegister<false>(sums[k].v, sum + k * kSize);
    squares[k].Store(square + k * kSize);
    StoreRegister<false>(least[k].v, min + k * kSize);
    StoreRegister<false>(most[k].v, max + k * kSize);
  }
}

void EvenAndOddInTurn(uint64_t* lanes) {
  uint64_t apart[Words::kSize];
  memcpy(apart, lanes, sizeof(apart));
  for (int64_t k = 0; k < Words::kSize; ++k) {
    lanes[k] = apart[k % 2 * (Words::kSize / 2) + k / 2];
  }
}
#endif

// Elements whose lanes go down together: with those after them they stay in the nearest cache.
constexpr int64_t kTogether = 2048;

// One pass in narrow sums, whose extremes tell whether they are exact; else a second one in wide
// sums, which finds the block in the cache.
void SumBlock(const int32_t* acc, int64_t n, int64_t lanes, const Sums& s) {
  int32_t* const narrow = reinterpret_cast<int32_t*>(s.high);
  for (int64_t j = 0; j < lanes; ++j) {
    narrow[j] = 0;
    s.low[j] = 0;
    s.min[j] = INT32_MAX;
    s.max[j] = INT32_MIN;
  }
  const int64_t whole_rows = n / lanes, at_once = Max(1, kTogether / lanes);
  int64_t vectors = 0;  // lanes that go in vectors
#if QT_VECTORS
  vectors = lanes / Words::kSize * Words::kSize;
#endif
  for (int64_t row = 0; row < whole_rows; row += at_once) {
    const int64_t rows = Min(at_once, whole_rows - row);
    const int32_t* const from = acc + row * lanes;
#if QT_VECTORS
    const int32_t* const next = from + rows * lanes;
    int64_t i = 0;
    for (; i + 2 * Words::kSize <= vectors; i += 2 * Words::kSize) {
      SumRowsOfVectors<2>(from + i, rows, lanes, next + rows * i, narrow + i, s.low + i, s.min + i,
                          s.max + i);
    }
    for (; i < vectors; i += Words::kSize) {
      SumRowsOfVectors<1>(from + i, rows, lanes, next + rows * i, narrow + i, s.low + i, s.min + i,
                          s.max + i);
    }
#endif
    for (int64_t j = vectors; j < lanes; ++j) {
      SumRows(from + j, rows, lanes, narrow + j, s.low + j, s.min + j, s.max + j);
    }
  }
#if QT_VECTORS
  for (int64_t j = 0; j < vectors; j += Words::kSize) EvenAndOddInTurn(s.low + j);
#endif
  for (int64_t j = 0; j < n % lanes; ++j) {
    SumRows(acc + whole_rows * lanes + j, 1, lanes, narrow + j, s.low + j, s.min + j, s.max + j);
  }
  int64_t most = 0;
  for (int64_t j = 0; j < Min(lanes, n); ++j) {
    most = Max(most, Max(-static_cast<int64_t>(s.min[j]), static_cast<int64_t>(s.max[j])));
  }
  const int64_t rows = DivUp(n, lanes);  // elements per lane
  if (most < (int64_t{1} << 31) / rows) {  // rows * |a| < 2^31, rows * a^2 < 2^62
    for (int64_t j = 0; j < lanes; ++j) s.sum[j] = narrow[j];
    for (int64_t j = 0; j < lanes; ++j) s.high[j] = 0;
    return;
  }
  int64_t* const sum = s.sum;
  uint64_t* const low = s.low;
  uint64_t* const high = s.high;
  for (int64_t j = 0; j < lanes; ++j) {
    sum[j] = 0;
    low[j] = high[j] = 0;
  }
  ForLanes(0, n, lanes, [=](int64_t i, int64_t j) {
    const uint64_t square = static_cast<uint64_t>(int64_t{acc[i]} * int64_t{acc[i]});
    sum[j] += acc[i];
    low[j] += square & 0xffffffffu;
    high[j] += square >> 32;
  });
}

void Clear(const Sums& s, int64_t lanes) {
  for (int64_t j = 0; j < lanes; ++j) {
    s.sum[j] = 0;
    s.low[j] = s.high[j] = 0;
    s.min[j] = INT32_MAX;
    s.max[j] = INT32_MIN;
  }
}

// Adds the sums of some rows; what a low half loses is 2^32 of the high one's units.
void AddSums(const Sums& block, int64_t lanes, const Sums& all) {
  for (int64_t j = 0; j < lanes; ++j) all.sum[j] += block.sum[j];
  for (int64_t j = 0; j < lanes; ++j) {
    const uint64_t low = all.low[j] + block.low[j];
    all.high[j] += block.high[j] + (low < block.low[j] ? uint64_t{1} << 32 : uint64_t{0});
    all.low[j] = low;
  }
  for (int64_t j = 0; j < lanes; ++j) {
    all.min[j] = block.min[j] < all.min[j] ? block.min[j] : all.min[j];
    all.max[j] = block.max[j] > all.max[j] ? block.max[j] : all.max[j];
  }
}

struct Requantized {
  const int32_t* acc;
  ChannelTable table;
  float lo, hi, zero_point;
  int32_t least_sum;

  static constexpr int64_t kLine = 16;
  void Fetch(int64_t i) const { FetchAhead(acc + i); }
  template <class T>
  auto At(int64_t i, int64_t at) const {
    const Integer<T> sum = SumAt<T>(acc, table, i, at);
    const T level = math::RequantizeLevel(sum, LoadAs<T>(table.factor + at));
    return SpotOf(math::RequantizeCode(level, T(lo), T(hi), T(zero_point)),
                  Both(math::Kept(level, math::Clamp(level, T(lo), T(hi))),
                       sum >= Integer<T>(least_sum)));
  }
  void Finish(int64_t) const {}
};

template <class Code>
qt_status Requantize(qt_context& ctx, const qt_requantize_args& a) {
  const int64_t n = a.rows * a.channels;
  if (n == 0) return QT_OK;
  ChannelTable table;
  if (!MakeTable(ctx, a.channels, a.bias, a.keep, a.multiplier, &table)) {
    return QT_OUT_OF_MEMORY;
  }
  const float zero_point = static_cast<float>(*a.zero_point);
  const math::RequantizeEnds ends =
      math::MakeRequantizeEnds(a.qmin, a.qmax, zero_point, a.relu != 0);
  // With ReLU the mask also asks for a positive sum; without it every sum passes.
  const Requantized op = {a.acc, table, ends.lo, ends.hi, zero_point, a.relu != 0 ? 1 : INT32_MIN};
  Code* const codes = static_cast<Code*>(a.codes);
  if (a.mask != nullptr) {
    ForEachPoint<true>(ctx, n, a.channels, codes, a.mask, 5 * n, /*in_place=*/false, op);
  } else {
    ForEachPoint<false>(ctx, n, a.channels, codes, nullptr, 5 * n, /*in_place=*/false, op);
  }
  return QT_OK;
}

template <class Real>
qt_status Dequantize(qt_context& ctx, const qt_dequantize_acc_args& a) {
  const int64_t n = a.rows * a.channels;
  if (n == 0) return QT_OK;
  ChannelTable table;
  if (!MakeTable(ctx, a.channels, a.bias, a.keep, a.out_scale, &table)) {
    return QT_OUT_OF_MEMORY;
  }
  const int64_t bytes = static_cast<int64_t>(sizeof(int32_t) + sizeof(Real)) * n;
  ForEachPoint<false>(ctx, n, a.channels, static_cast<Real*>(a.y), nullptr, bytes,
                      /*in_place=*/false, DequantizedAcc{a.acc, table});
  return QT_OK;
}

template <class Real>
qt_status ToAcc(qt_context& ctx, const qt_float_to_acc_args& a) {
  const Real* const x = static_cast<const Real*>(a.x);
  int32_t* acc = a.acc;
  const bool accumulate = a.accumulate != 0;
  const bool stream = Streams(static_cast<int64_t>(sizeof(Real) + sizeof(int32_t)) * a.n);
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    if (accumulate) {  // the output is read as well, so its lines are cached
#pragma omp simd
      for (int64_t i = begin; i < end; ++i)
        acc[i] = math::AddBias(acc[i], 1, math::FloatToAcc(math::Widen(x[i])));
      return;
    }
    ChunkOut<int32_t, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk);
      int32_t* out = chunks.At(acc + chunk);
      const Real* in = x + chunk;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) out[i] = math::FloatToAcc(math::Widen(in[i]));
      chunks.Done(acc + chunk, width);
    }
  });
  return QT_OK;
}

}  // namespace

qt_status acc_stats(qt_context& ctx, const qt_acc_stats_args& a) {
  const int64_t channels = a.channels, lanes = Lanes(Max(1, channels));
  if (channels == 0) return QT_OK;
  // Exact sums may be cut as the threads are: each has a part, whose blocks it adds up itself.
  const int64_t step = RowsPerBlock(channels);
  const int64_t part = Max(1, DivUp(DivUp(a.rows, ctx.threads), step)) * step;
  const int64_t parts = Max(1, DivUp(a.rows, part));
  int64_t* const scratch = ScratchArray<int64_t>(ctx, 2 * parts * lanes * kSumWords);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const Sums all = SumsAt(scratch, 0, lanes);
  Clear(all, lanes);
  const int32_t* acc = a.acc;
  ParallelBlocks(ctx, a.rows, part, [=](int64_t index, int64_t begin, int64_t end) {
    const Sums own = SumsAt(scratch, 2 * index, lanes), block = SumsAt(scratch, 2 * index + 1, lanes);
    Clear(own, lanes);
    for (int64_t row = begin; row < end; row += step) {
      SumBlock(acc + row * channels, Min(step, end - row) * channels, lanes, block);
      AddSums(block, lanes, own);
    }
  });
  for (int64_t i = 1; i < parts; ++i) AddSums(SumsAt(scratch, 2 * i, lanes), lanes, all);
  for (int64_t c = 0; c < channels; ++c) {
    int64_t sum = 0;
    math::Uint128 squares = 0;
    int32_t min = INT32_MAX, max = INT32_MIN;
    for (int64_t j = c; j < lanes; j += channels) {
      sum += all.sum[j];
      squares += (static_cast<math::Uint128>(all.high[j]) << 32) + all.low[j];
      min = all.min[j] < min ? all.min[j] : min;
      max = all.max[j] > max ? all.max[j] : max;
    }
    a.sum[c] = sum;
    math::StoreUint128(squares, a.sum_squares + 2 * c);
    a.min[c] = min;
    a.max[c] = max;
  }
  return QT_OK;
}

qt_status acc_range(qt_context&, const qt_acc_range_args& a) {
  math::Extent extent = math::NoExtent();
  for (int64_t c = 0; c < a.channels; ++c) {
    const int32_t bias = a.bias == nullptr ? 0 : a.bias[c],
                  keep = a.keep == nullptr ? 1 : a.keep[c];
    math::Extend(&extent,
                 math::DequantizeAcc(math::AddBias(a.acc_min[c], keep, bias), a.out_scale[c]),
                 math::DequantizeAcc(math::AddBias(a.acc_max[c], keep, bias), a.out_scale[c]));
  }
  extent = math::ClippedExtent(extent, a.relu != 0 ? 0.0f : -__builtin_inff(), a.upper);
  *a.min = extent.least;
  *a.max = extent.most;
  return QT_OK;
}

qt_status multiplier(qt_context&, const qt_multiplier_args& a) {
  const float y_scale = *a.y_scale;
  for (int64_t c = 0; c < a.channels; ++c) {
    a.multiplier[c] = a.pool_count > 0 ? math::PoolMultiplier(*a.out_scale, y_scale,
                                                              static_cast<float>(a.pool_count))
                                       : math::Multiplier(a.out_scale[c], y_scale);
  }
  return QT_OK;
}

qt_status requantize(qt_context& ctx, const qt_requantize_args& a) {
  return a.code_type == QT_U8 ? Requantize<uint8_t>(ctx, a) : Requantize<int8_t>(ctx, a);
}

qt_status dequantize_acc(qt_context& ctx, const qt_dequantize_acc_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return Dequantize<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status float_to_acc(qt_context& ctx, const qt_float_to_acc_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return ToAcc<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
