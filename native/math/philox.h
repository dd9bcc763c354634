// Philox4x32-10: 128 random bits as a pure function of a 128-bit counter and a 64-bit key, in 32-bit
// integers, so that the bits are the same on every machine and an element's number depends on
// nothing but its place. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
// section 3.3. How draws use it: NUMERICS.md, "Stochastic rounding".
#ifndef QUANTRAIN_MATH_PHILOX_H_
#define QUANTRAIN_MATH_PHILOX_H_

#include "include/quantrain.h"
#include "math/hd.h"

namespace qt::math {

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxFactorA = 0xd2511f53u, kPhiloxFactorC = 0xcd9e8d57u;
constexpr uint32_t kPhiloxKeyLow = 0x9e3779b9u, kPhiloxKeyHigh = 0xbb67ae85u;

struct PhiloxWords {
  uint32_t a, b, c, d;
};

QT_HD PhiloxWords Philox(PhiloxWords counter, uint32_t key_low, uint32_t key_high) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t left = uint64_t{kPhiloxFactorA} * counter.a;
    const uint64_t right = uint64_t{kPhiloxFactorC} * counter.c;
    counter = {static_cast<uint32_t>(right >> 32) ^ counter.b ^ key_low,
               static_cast<uint32_t>(right),
               static_cast<uint32_t>(left >> 32) ^ counter.d ^ key_high,
               static_cast<uint32_t>(left)};
    key_low += kPhiloxKeyLow;
    key_high += kPhiloxKeyHigh;
  }
  return counter;
}

// The draws of one tensor in one step of training.
struct Draws {
  uint64_t seed;
  uint32_t step, stream;
};

QT_HD Draws DrawsOf(const qt_draws& draws) {
  return {static_cast<uint64_t>(draws.seed), static_cast<uint32_t>(*draws.step),
          static_cast<uint32_t>(draws.stream)};
}

// The words of the elements 4 * place .. 4 * place + 3.
QT_HD PhiloxWords FourWords(const Draws& draws, int64_t place) {
  const uint64_t low_high = static_cast<uint64_t>(place);
  return Philox({static_cast<uint32_t>(low_high), static_cast<uint32_t>(low_high >> 32), draws.step,
                 draws.stream},
                static_cast<uint32_t>(draws.seed), static_cast<uint32_t>(draws.seed >> 32));
}

// A word as a number in [0, 1): the upper 24 bits, exactly.
QT_HD float UnitInterval(uint32_t word) {
  return static_cast<float>(static_cast<int32_t>(word >> 8)) * 5.9604644775390625e-8f;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_PHILOX_H_
