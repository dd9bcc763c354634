// Additive powers of two. A level is the sum of one entry of each of up to three sets, divided by the
// largest such sum; the sets' entries are powers of two that occur once, so all sums differ. In units
// of the smallest power every sum is an integer, its numerator. Derivation: NUMERICS.md, "APoT".
#ifndef QUANTRAIN_MATH_APOT_H_
#define QUANTRAIN_MATH_APOT_H_

#include "math/learned.h"

namespace qt::math {

constexpr int32_t kApotMostEntries = 2 * 448 + 1;

// The numerator of magnitude code 0 .. 2^bits - 1, bits 1..6. The four entries of a set, the first of
// them 0, stand in 16 bits each.
QT_HD int32_t ApotNumerator(int32_t bits, int32_t code) {
  const uint64_t first = bits == 1   ? 0x00010000ull
                         : bits == 2 ? 0x0001000200040000ull
                         : bits == 3 ? 0x0001000400080000ull
                         : bits == 4 ? 0x0002000800200000ull
                         : bits == 5 ? 0x0002001000400000ull
                                     : 0x0004002001000000ull;
  const uint64_t second = bits == 3   ? 0x00020000ull
                          : bits == 4 ? 0x0001000400100000ull
                          : bits == 5 ? 0x0001000800200000ull
                          : bits == 6 ? 0x0002001000800000ull
                                      : 0ull;
  const uint64_t third = bits == 5 ? 0x00040000ull : bits == 6 ? 0x0001000800400000ull : 0ull;
  return static_cast<int32_t>(((first >> (16 * (code & 3))) & 0xffffu) +
                              ((second >> (16 * (code >> 2 & 3))) & 0xffffu) +
                              ((third >> (16 * (code >> 4 & 3))) & 0xffffu));
}

// Of the entries that every set has first after 0.
QT_HD int32_t ApotMost(int32_t bits) { return ApotNumerator(bits, bits == 1 ? 1 : 0x15); }

// Bits of the magnitude: one is the sign's.
QT_HD int32_t ApotMagnitudeBits(int32_t bits, int32_t is_signed) {
  return is_signed != 0 ? bits - 1 : bits;
}

// The level nearest to every magnitude in ((entry - 1) / (2 * most), entry / (2 * most)]: in these
// units middles between levels are integers, so one table of 2 * most + 1 entries has them all. A
// magnitude in the middle goes to the lower level.
QT_HD float ApotEntry(int32_t bits, int32_t entry) {
  const int32_t most = ApotMost(bits);
  int32_t nearest = 0, distance = 4 * most;
  for (int32_t code = 0; code < 1 << bits; ++code) {
    const int32_t numerator = ApotNumerator(bits, code);
    const int32_t apart = 4 * numerator - (2 * entry - 1);
    const int32_t d = apart < 0 ? -apart : apart;
    nearest = d < distance ? numerator : nearest;
    distance = d < distance ? d : distance;
  }
  return static_cast<float>(nearest) / static_cast<float>(most);
}

// Nearest level of v in [-1, 1], by the table of ApotEntry. units: 2 * most.
QT_HD float ApotLevel(float v, const float* table, float units) {
  const uint32_t sign = FloatBits(v) & 0x80000000u;
  const float u = BitsFloat(FloatBits(v) ^ sign) * units;
  const float nearest = rintf(u);
  const float up = nearest < u ? nearest + 1.0f : nearest;
  return BitsFloat(FloatBits(table[static_cast<int32_t>(up)]) | sign);
}

// ---- in the form of math/learned.h; the arguments with the table that belongs to their bits

struct ApotForward : qt_apot_args {
  const float* table;
};

struct ApotBackward : qt_apot_backward_args {
  const float* table;
};

struct ApotValue {
  float alpha, units;
};

template <class Args>
QT_HD ApotValue LoadApot(const Args& a, int64_t channel) {
  const int32_t most = ApotMost(ApotMagnitudeBits(a.bits, a.is_signed));
  return {ScaleOf(a.alpha[channel]), static_cast<float>(2 * most)};
}

template <>
struct Learned<ApotForward> {
  using Value = ApotValue;
  static constexpr int kSums = 0;
};

QT_HD ApotValue Load(const ApotForward& a, int64_t channel) { return LoadApot(a, channel); }

QT_HD Term Apply(const ApotForward& a, float x, float, ApotValue value) {
  const float low = a.is_signed != 0 ? -1.0f : 0.0f;
  const float v = Clamp(x / value.alpha, low, 1.0f);
  return {value.alpha * ApotLevel(v, a.table, value.units), {0.0f, 0.0f, 0.0f}};
}

QT_HD void Store(const ApotForward&, int64_t, ApotValue, const float*) {}

template <>
struct Learned<ApotBackward> {
  using Value = ApotValue;
  static constexpr int kSums = 1;
};

QT_HD ApotValue Load(const ApotBackward& a, int64_t channel) { return LoadApot(a, channel); }

QT_HD Term Apply(const ApotBackward& a, float x, float dy, ApotValue value) {
  const float low = a.is_signed != 0 ? -1.0f : 0.0f;
  const float r = x / value.alpha;
  const float v = Clamp(r, low, 1.0f);
  // Outside the grid the level is the end, and what is left of it is the whole of it.
  const bool inside = v == r;
  const float slope = ApotLevel(v, a.table, value.units) - Where(inside, v);
  return {Where(inside | (a.pass_through != 0), dy), {Where(r == r, dy * slope), 0.0f, 0.0f}};
}

QT_HD void Store(const ApotBackward& a, int64_t channel, ApotValue, const float* sum) {
  a.dalpha[channel] = a.gradient_scale * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_APOT_H_
