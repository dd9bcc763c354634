// What happens to int32 accumulators: exact statistics, range, multiplier, requantize, dequantize.
// All are elementwise or integer sums, so every instruction set and thread count gives the same
// bits.
#include <type_traits>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/epilogue.h"
#include "math/int128.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// Per-channel bias, keep and factor, repeated so that a chunk of any phase reads them as one
// stream.
struct ChannelTable {
  const int32_t* bias;
  const int32_t* keep;
  const float* factor;
};

// False when out of memory.
bool MakeTable(qt_context& ctx, int64_t n, int64_t channels, const int32_t* bias,
               const int32_t* keep, const float* factor, ChannelTable* table) {
  const int64_t period = channels + Min(kChunk, n);
  int32_t* const memory = ScratchArray<int32_t>(ctx, 3 * period);
  if (memory == nullptr) return false;
  float* const factors = reinterpret_cast<float*>(memory + 2 * period);
  for (int64_t i = 0, c = 0; i < period; ++i, c = c + 1 == channels ? 0 : c + 1) {
    memory[i] = bias == nullptr ? 0 : bias[c];
    memory[period + i] = keep == nullptr ? 1 : keep[c];
    factors[i] = factor[c];
  }
  *table = {memory, memory + period, factors};
  return true;
}

// Sums of one block, in lanes. The square is summed in one 64-bit word where the block's magnitudes
// allow it, else in its two 32-bit halves: 2^31 rows of halves fit in 64 bits.
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

// Calls four(i, j) for whole groups of 4 lane rows, elements i + j + k * lanes, and one(i, j) for the
// rest: lanes are loaded and stored once per group.
template <class FourRows, class OneRow>
inline void ForFourRows(int64_t n, int64_t lanes, FourRows four, OneRow one) {
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) four(i + j, j);
  }
  ForLanes(i, n, lanes, one);
}

// Extremes first; they tell which sums are safe. The second pass finds the block in the cache.
void SumBlock(const int32_t* acc, int64_t n, int64_t lanes, const Sums& s) {
  for (int64_t j = 0; j < lanes; ++j) {
    s.sum[j] = 0;
    s.low[j] = s.high[j] = 0;
    s.min[j] = INT32_MAX;
    s.max[j] = INT32_MIN;
  }
  int32_t* const min = s.min;
  int32_t* const max = s.max;
  const auto less = [](int32_t a, int32_t b) { return a < b ? a : b; };
  const auto more = [](int32_t a, int32_t b) { return a > b ? a : b; };
  ForFourRows(
      n, lanes,
      [=](int64_t i, int64_t j) {
        const int32_t a = acc[i], b = acc[i + lanes], c = acc[i + 2 * lanes],
                      d = acc[i + 3 * lanes];
        min[j] = less(min[j], less(less(a, b), less(c, d)));
        max[j] = more(max[j], more(more(a, b), more(c, d)));
      },
      [=](int64_t i, int64_t j) {
        min[j] = less(min[j], acc[i]);
        max[j] = more(max[j], acc[i]);
      });
  int64_t most = 0;
  for (int64_t j = 0; j < Min(lanes, n); ++j) {
    most = Max(most, Max(-static_cast<int64_t>(min[j]), static_cast<int64_t>(max[j])));
  }
  const int64_t rows = DivUp(n, lanes);  // elements per lane
  int64_t* const sum = s.sum;
  uint64_t* const low = s.low;
  uint64_t* const high = s.high;
  const auto square = [](int32_t a) {
    return static_cast<uint64_t>(static_cast<int64_t>(a) * static_cast<int64_t>(a));
  };
  if (most < (int64_t{1} << 31) / rows) {
    // |a| < 2^31 / rows: rows * a^2 < 2^62, and four of them sum up in int32 (rows >= 4 then).
    ForFourRows(
        n, lanes,
        [=](int64_t i, int64_t j) {
          const int32_t a = acc[i], b = acc[i + lanes], c = acc[i + 2 * lanes],
                        d = acc[i + 3 * lanes];
          sum[j] += (a + b) + (c + d);
          low[j] += (square(a) + square(b)) + (square(c) + square(d));
        },
        [=](int64_t i, int64_t j) {
          sum[j] += acc[i];
          low[j] += square(acc[i]);
        });
  } else {
    ForLanes(0, n, lanes, [=](int64_t i, int64_t j) {
      sum[j] += acc[i];
      low[j] += square(acc[i]) & 0xffffffffu;
      high[j] += square(acc[i]) >> 32;
    });
  }
}

template <class Code, bool kMask>
qt_status Requantize(qt_context& ctx, const qt_requantize_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  if (n == 0) return QT_OK;
  ChannelTable table;
  if (!MakeTable(ctx, n, channels, a.bias, a.keep, a.multiplier, &table)) return QT_OUT_OF_MEMORY;
  const int32_t* acc = a.acc;
  Code* codes = static_cast<Code*>(a.codes);
  uint8_t* mask = a.mask;
  const float zero_point = static_cast<float>(*a.zero_point);
  const float qmin = static_cast<float>(a.qmin) - zero_point,
              hi = static_cast<float>(a.qmax) - zero_point;
  const float lo = a.relu != 0 && qmin < 0.0f ? 0.0f : qmin;
  // With ReLU the mask also asks for a positive sum; without it every sum passes.
  const int32_t least_sum = a.relu != 0 ? 1 : INT32_MIN;
  const bool stream = Streams(5 * n);
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    int32_t flags[kChunk];
    ChunkOut<Code, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk), phase = chunk % channels;
      const int32_t* in = acc + chunk;
      const int32_t* bias = table.bias + phase;
      const int32_t* keep = table.keep + phase;
      const float* multiplier = table.factor + phase;
      Code* out = chunks.At(codes + chunk);
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        const int32_t sum = math::AddBias(in[i], keep[i], bias[i]);
        const float level = math::RequantizeLevel(sum, multiplier[i]);
        if (kMask) flags[i] = math::InRange(level, lo, hi) & (sum >= least_sum) ? -1 : 0;
        out[i] = static_cast<Code>(
            static_cast<int32_t>(math::RequantizeCode(level, lo, hi, zero_point)));
      }
      chunks.Done(codes + chunk, width);
      if (kMask) PackMask(flags, width, mask + chunk / 8);
    }
  });
  return QT_OK;
}

}  // namespace

qt_status acc_stats(qt_context& ctx, const qt_acc_stats_args& a) {
  const int64_t channels = a.channels, lanes = Lanes(Max(1, channels));
  if (channels == 0) return QT_OK;
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(a.rows, step);
  int64_t* const scratch = ScratchArray<int64_t>(ctx, blocks * lanes * kSumWords);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const int32_t* acc = a.acc;
  ParallelBlocks(ctx, a.rows, step, [=](int64_t block, int64_t begin, int64_t end) {
    SumBlock(acc + begin * channels, (end - begin) * channels, lanes,
             SumsAt(scratch, block, lanes));
  });
  for (int64_t c = 0; c < channels; ++c) {
    int64_t sum = 0;
    math::Uint128 squares = 0;
    int32_t min = INT32_MAX, max = INT32_MIN;
    for (int64_t block = 0; block < blocks; ++block) {
      const Sums s = SumsAt(scratch, block, lanes);
      for (int64_t j = c; j < lanes; j += channels) {
        sum += s.sum[j];
        squares += (static_cast<math::Uint128>(s.high[j]) << 32) + s.low[j];
        min = s.min[j] < min ? s.min[j] : min;
        max = s.max[j] > max ? s.max[j] : max;
      }
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
  if (a.code_type == QT_U8) {
    return a.mask == nullptr ? Requantize<uint8_t, false>(ctx, a)
                             : Requantize<uint8_t, true>(ctx, a);
  }
  return a.mask == nullptr ? Requantize<int8_t, false>(ctx, a) : Requantize<int8_t, true>(ctx, a);
}

qt_status dequantize_acc(qt_context& ctx, const qt_dequantize_acc_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  if (n == 0) return QT_OK;
  ChannelTable table;
  if (!MakeTable(ctx, n, channels, a.bias, a.keep, a.out_scale, &table)) return QT_OUT_OF_MEMORY;
  const int32_t* acc = a.acc;
  float* y = a.y;
  const bool stream = Streams(8 * n);
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    ChunkOut<float, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk), phase = chunk % channels;
      const int32_t* in = acc + chunk;
      const int32_t* bias = table.bias + phase;
      const int32_t* keep = table.keep + phase;
      const float* scale = table.factor + phase;
      float* out = chunks.At(y + chunk);
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) {
        out[i] = math::DequantizeAcc(math::AddBias(in[i], keep[i], bias[i]), scale[i]);
      }
      chunks.Done(y + chunk, width);
    }
  });
  return QT_OK;
}

qt_status float_to_acc(qt_context& ctx, const qt_float_to_acc_args& a) {
  const float* x = a.x;
  int32_t* acc = a.acc;
  const bool accumulate = a.accumulate != 0;
  const bool stream = Streams(8 * a.n);
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    if (accumulate) {  // the output is read as well, so its lines are cached
#pragma omp simd
      for (int64_t i = begin; i < end; ++i)
        acc[i] = math::AddBias(acc[i], 1, math::FloatToAcc(x[i]));
      return;
    }
    ChunkOut<int32_t, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk);
      int32_t* out = chunks.At(acc + chunk);
      const float* in = x + chunk;
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) out[i] = math::FloatToAcc(in[i]);
      chunks.Done(acc + chunk, width);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
