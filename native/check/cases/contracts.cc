// Fixed-point contracts, packing.
#include "check/case.h"

namespace qt::check {
namespace {

constexpr const char* kContracts[] = {"double", "single", "ruy", "even", "away", "up"};

// Accumulators around 0, around the ends of int32, and on the ties of every shift.
std::vector<int32_t> Accumulators(int64_t n, uint32_t seed) {
  std::vector<int32_t> acc = Integers<int32_t>(n, -3000000, 3000000, seed);
  const std::vector<int32_t> kind = Integers<int32_t>(n, 0, 39, seed + 1);
  const std::vector<int32_t> any = Integers<int32_t>(n, INT32_MIN, INT32_MAX, seed + 2);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t odd = any[i] % 64 * 2 + 1;
    if (kind[i] == 0) acc[i] = any[i];
    if (kind[i] == 1) acc[i] = INT32_MIN;
    if (kind[i] == 2) acc[i] = INT32_MAX;
    if (kind[i] == 3) acc[i] = 0;
    if (kind[i] >= 4 && kind[i] < 28) acc[i] = odd * (1 << kind[i] % 24);
  }
  return acc;
}

void Requantize(Suite& suite, int64_t n, int64_t channels, int32_t contract, bool plain) {
  const int64_t rows = (n + channels - 1) / channels;
  auto& c = suite.Add("requantize_fixed",
                      std::string(kContracts[contract]) + ", " + std::to_string(channels) +
                          " channels" + (plain ? ", no bias or mask" : ""),
                      qt_requantize_fixed);
  const bool power = contract >= QT_POWER_OF_TWO_EVEN;
  std::vector<int32_t> shift = Integers<int32_t>(channels, -31, suite.timed() ? 0 : 30, 7);
  std::vector<int32_t> multiplier = Integers<int32_t>(channels, 1 << 30, INT32_MAX, 9);
  for (int64_t i = 0; i < channels; ++i) {
    if (i % 3 != 0) shift[i] = -8 - static_cast<int32_t>(i % 9);
    if (i % 5 == 4) multiplier[i] = i % 2 == 0 ? 1 << 30 : INT32_MAX;
    if (i % 11 == 10) multiplier[i] = shift[i] = 0;
  }
  c.In(&c.args.acc, Accumulators(rows * channels, 3));
  if (!plain) c.In(&c.args.bias, Integers<int32_t>(channels, -100000, 100000, 5));
  if (!power) c.In(&c.args.multiplier, multiplier);
  c.In(&c.args.shift, shift);
  c.In(&c.args.zero_point, std::vector<int32_t>{plain ? -3 : 128});
  c.OutBytes(&c.args.codes, rows * channels, 1);
  if (!plain) c.Out(&c.args.mask, (rows * channels + 7) / 8);
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.qmin = plain ? -128 : 0;
  c.args.qmax = plain ? 127 : 255;
  c.args.contract = contract;
  c.args.relu = plain ? 0 : 1;
  c.args.code_type = plain ? QT_S8 : QT_U8;
  c.elements = rows * channels;
}

void FixedMultiplier(Suite& suite, int64_t n, int32_t form) {
  constexpr const char* kForms[] = {"double", "float product", "power of two"};
  auto& c = suite.Add("fixed_multiplier", kForms[form], qt_fixed_multiplier);
  std::vector<float> w_scale = Uniform(n, 1e-6f, 0.01f, 3);
  const float special[] = {1e-45f, 1e-20f, 1e-11f, 1.0f, 0.5f, 100.0f, 1e8f, 1e12f, 3e38f};
  for (int64_t i = 0; i < n; ++i) {
    if (i % 4 == 1) w_scale[i] = special[i / 4 % 9];
  }
  c.In(&c.args.x_scale, std::vector<float>{0.0123f});
  c.In(&c.args.w_scale, w_scale);
  c.In(&c.args.y_scale, std::vector<float>{0.0456f});
  c.Out(&c.args.multiplier, n);
  c.Out(&c.args.shift, n);
  c.args.channels = n;
  c.args.form = form;
  c.elements = n;
}

void Pack(Suite& suite, int64_t n, int32_t bits) {
  auto& c = suite.Add("pack_codes", std::to_string(bits) + " bits", qt_pack_codes);
  c.In(&c.args.codes, Integers<uint8_t>(n, 0, 255, 3));
  c.Out(&c.args.packed, (n * bits + 7) / 8);
  c.args.n = n;
  c.args.bits = bits;
  c.elements = n;
}

void Unpack(Suite& suite, int64_t n, int32_t bits, int32_t code_type) {
  auto& c = suite.Add("unpack_codes",
                      std::to_string(bits) + (code_type == QT_U8 ? " bits" : " bits, signed"),
                      qt_unpack_codes);
  c.In(&c.args.packed, Integers<uint8_t>((n * bits + 7) / 8, 0, 255, 5));
  c.OutBytes(&c.args.codes, n, 1);
  c.args.n = n;
  c.args.bits = bits;
  c.args.code_type = code_type;
  c.elements = n;
}

}  // namespace

void ContractsCases(Suite& suite) {
  for (const int64_t n : suite.Sizes()) {
    for (int32_t contract = QT_FIXED_DOUBLE; contract <= QT_POWER_OF_TWO_UP; ++contract) {
      if (suite.timed()) {
        Requantize(suite, n, 64, contract, /*plain=*/true);
        if (contract == QT_FIXED_DOUBLE) Requantize(suite, n, 64, contract, /*plain=*/false);
        continue;
      }
      for (const int64_t channels : {1, 3, 16, 300}) {
        Requantize(suite, n, channels, contract, /*plain=*/channels == 3);
      }
    }
    if (!suite.timed()) {
      FixedMultiplier(suite, n, QT_MULTIPLIER_DOUBLE);
      FixedMultiplier(suite, n, QT_MULTIPLIER_FLOAT_PRODUCT);
      FixedMultiplier(suite, n, QT_MULTIPLIER_POWER_OF_TWO);
    }
    for (int32_t bits = 1; bits <= 8; ++bits) {
      if (suite.timed() && bits > 4) continue;
      Pack(suite, n, bits);
      Unpack(suite, n, bits, QT_U8);
      Unpack(suite, n, bits, QT_S8);
    }
  }
}

}  // namespace qt::check
