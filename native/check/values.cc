// The data of cases, and the list of them all.
#include <math.h>

#include "check/case.h"
#include "math/bf16.h"

namespace qt::check {

#define QT_CASES(name) void name##Cases(Suite& suite);
#include "check/cases.def"
#undef QT_CASES

namespace {

constexpr void (*kFiles[])(Suite&) = {
#define QT_CASES(name) name##Cases,
#include "check/cases.def"
#undef QT_CASES
};

bool timed = false;

}  // namespace

int CaseFiles() { return static_cast<int>(sizeof(kFiles) / sizeof(kFiles[0])); }

void AddCases(int file, int64_t timed_elements, const Suite::Filter& wants,
              const Suite::Consumer& consumer) {
  timed = timed_elements > 0;
  Suite suite(timed_elements, wants, consumer);
  kFiles[file](suite);
}

Data<float> Values(int64_t n, float scale, int32_t qmin, int32_t qmax, int32_t zero_point,
                   uint32_t seed, bool finite) {
  return [=] {
    const float low = static_cast<float>(qmin - zero_point) * scale;
    const float high = static_cast<float>(qmax - zero_point) * scale;
    const float edges[] = {0.0f,           -0.0f,
                           0.5f * scale,   -0.5f * scale,
                           1.5f * scale,   2.5f * scale,
                           low,            high,
                           low - scale,    high + scale,
                           low - 0.5f * scale, high + 0.5f * scale,
                           1e-45f,         -1.17549435e-38f,
                           1e30f,          -1e30f,
                           INFINITY,       -INFINITY,
                           NAN,            -NAN};
    const uint32_t picks = timed ? 0 : finite ? 14 : 20;
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> spread(-1.5f, 1.5f);
    return Repeated<float>(n, [&] {
      const uint32_t pick = random() % 40;
      return pick < picks ? edges[pick] : spread(random) * (high - low);
    });
  };
}

Data<float> Uniform(int64_t n, float least, float most, uint32_t seed) {
  return [=] {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> spread(least, most);
    return Repeated<float>(n, [&] { return spread(random); });
  };
}

std::vector<uint16_t> ToBf16(const std::vector<float>& values) {
  std::vector<uint16_t> narrow(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    math::Bf16 half;
    math::Narrow(values[i], &half);
    narrow[i] = half.bits;
  }
  return narrow;
}

std::vector<float> FromBf16(const std::vector<uint16_t>& values) {
  std::vector<float> wide(values.size());
  for (size_t i = 0; i < values.size(); ++i) wide[i] = math::Widen(math::Bf16{values[i]});
  return wide;
}

Data<uint8_t> RandomMask(int64_t n, uint32_t seed) {
  return [=] {
    std::vector<uint8_t> mask = Integers<uint8_t>((n + 7) / 8, 0, 255, seed);
    if (n % 8 != 0) mask.back() &= static_cast<uint8_t>((1 << (n % 8)) - 1);
    return mask;
  };
}

std::vector<Layout> Layouts(const Suite& suite, int64_t n) {
  if (suite.timed()) {
    return {{"per tensor", 1, 1, n},
            {"64 channels last", n / 64, 64, 1},
            {"64 channels first", 1, 64, n / 64}};
  }
  return {{"per tensor", 1, 1, n},
          {"3 channels, inner 1", n, 3, 1},
          {"70 channels, inner 1", (n + 69) / 70, 70, 1},
          {"300 channels, inner 1", (n + 299) / 300, 300, 1},
          {"7 channels, inner 5", (n + 34) / 35, 7, 5},
          {"3 channels, outer 1", 1, 3, n}};
}

}  // namespace qt::check
