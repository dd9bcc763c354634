// What an int32 accumulator stands for, by tables of its channels' values.
#ifndef QUANTRAIN_CPU_ACCUMULATOR_H_
#define QUANTRAIN_CPU_ACCUMULATOR_H_

#include "cpu/points.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {

// Bias, keep and factor per channel, repeated.
struct ChannelTable {
  const int32_t* bias;
  const int32_t* keep;
  const float* factor;
};

// Words of memory that a table takes.
inline int64_t ChannelTableWords(int64_t channels) { return 3 * RepeatedTable(channels); }

inline ChannelTable FillChannelTable(int64_t channels, const int32_t* bias, const int32_t* keep,
                                     const float* factor, int32_t* memory) {
  const int64_t size = RepeatedTable(channels);
  float* const factors = reinterpret_cast<float*>(memory + 2 * size);
  FillTable(memory, size, channels, bias, 0);
  FillTable(memory + size, size, channels, keep, 1);
  FillTable(factors, size, channels, factor, 1.0f);
  return {memory, memory + size, factors};
}

// The sum, with its bias, of element i or of as many from there as T has.
template <class T>
QT_HD Integer<T> SumAt(const int32_t* acc, const ChannelTable& table, int64_t i, int64_t at) {
  return math::AddBias(LoadIntAs<T>(acc + i), LoadIntAs<T>(table.keep + at),
                       LoadIntAs<T>(table.bias + at));
}

struct DequantizedAcc {
  const int32_t* acc;
  ChannelTable table;

  static constexpr int64_t kLine = 16;
  void Fetch(int64_t i) const { FetchAhead(acc + i); }
  template <class T>
  auto At(int64_t i, int64_t at) const {
    const T y = math::DequantizeAcc(SumAt<T>(acc, table, i, at), LoadAs<T>(table.factor + at));
    return SpotOf(y, math::Kept(y, y));
  }
  void Finish(int64_t) const {}
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_ACCUMULATOR_H_
