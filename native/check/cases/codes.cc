// Operations on codes: add, multiply, concatenate, pool.
#include "check/case.h"

namespace qt::check {
namespace {

struct Scales {
  const char* name;
  float a, b, y;
  int32_t za, zb, zy;
};
constexpr Scales kScales[] = {
    {"plain", 0.0173f, 0.05f, 0.031f, 3, -7, 11},
    {"powers of two", 0.25f, 0.5f, 0.5f, 0, 0, 0},  // ties everywhere
    // Ratio b times 205 is 2^-21 (1 + 2^-30): added to a multiple of 1/2 in double it is rounded to
    // a tie of float, which a second rounding would resolve downwards.
    {"double rounding", 0.5f, 10475530.0f / 4503599627370496.0f, 1.0f, 17, 0, 0},
    {"tiny output scale", 1.0f, 2.0f, 1.17549435e-38f, 1, 2, 3},  // ratios are infinite
};

int32_t Least(int32_t type) { return type == QT_U8 ? 0 : -128; }
int32_t Most(int32_t type) { return type == QT_U8 ? 255 : 127; }

// Every pair of codes in turn, n pairs from a random one on.
std::vector<uint8_t> Pairs(int64_t n, bool upper, uint32_t seed) {
  std::vector<uint8_t> codes(n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t pair = i + 251 * seed;
    codes[i] = static_cast<uint8_t>(upper ? pair / 256 : pair);
  }
  return codes;
}

// What the kernels on two tensors of codes have in common.
template <class Call>
void Operands(Call& c, const Scales& s, int32_t type, int64_t n, bool mask) {
  const int32_t shift = type == QT_U8 ? 0 : 100;
  c.In(&c.args.a, Pairs(n, false, 1));
  c.In(&c.args.b, Pairs(n, true, 1));
  c.In(&c.args.a_scale, std::vector<float>{s.a});
  c.In(&c.args.a_zero_point, std::vector<int32_t>{std::max(Least(type), s.za)});
  c.In(&c.args.b_scale, std::vector<float>{s.b});
  c.In(&c.args.b_zero_point, std::vector<int32_t>{std::max(Least(type), s.zb)});
  c.In(&c.args.y_scale, std::vector<float>{s.y});
  c.In(&c.args.y_zero_point, std::vector<int32_t>{s.zy - shift});
  c.OutBytes(&c.args.y, n, 1);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  c.args.n = n;
  c.args.qmin = Least(type);
  c.args.qmax = Most(type) - 1;
  c.args.code_type = type;
  c.elements = n;
}

std::string Name(const Scales& s, int32_t type, bool mask, bool relu) {
  return std::string(s.name) + (type == QT_U8 ? ", u8" : ", s8") + (mask ? ", mask" : "") +
         (relu ? ", relu" : "");
}

void Add(Suite& suite, const Scales& s, int32_t type, int64_t n, bool mask, bool relu) {
  auto& c = suite.Add("add_codes", Name(s, type, mask, relu), qt_add_codes);
  Operands(c, s, type, n, mask);
  c.args.relu = relu;
}

void AddFixed(Suite& suite, const Scales& s, int32_t contract, int32_t type, int64_t n, bool mask,
              bool relu) {
  auto& c = suite.Add("add_codes_fixed",
                      (contract == QT_ADD_TFLITE ? "TFLite, " : "XNNPACK, ") +
                          Name(s, type, mask, relu),
                      qt_add_codes_fixed);
  Operands(c, s, type, n, mask);
  c.args.contract = contract;
  c.args.relu = relu;
}

void Mul(Suite& suite, const Scales& s, int32_t type, int64_t n, bool mask) {
  auto& c = suite.Add("mul_codes", Name(s, type, mask, false), qt_mul_codes);
  Operands(c, s, type, n, mask);
}

void AddRange(Suite& suite, int32_t type, int64_t n, bool relu) {
  const Scales& s = kScales[0];
  auto& c = suite.Add("add_codes_range", Name(s, type, false, relu), qt_add_codes_range);
  c.In(&c.args.a, Integers<uint8_t>(n, 0, 255, 3));
  c.In(&c.args.b, Integers<uint8_t>(n, 0, 255, 5));
  c.In(&c.args.a_scale, std::vector<float>{s.a});
  c.In(&c.args.a_zero_point, std::vector<int32_t>{s.za});
  c.In(&c.args.b_scale, std::vector<float>{s.b});
  c.In(&c.args.b_zero_point, std::vector<int32_t>{type == QT_U8 ? 7 : s.zb});
  c.Out(&c.args.min, 1);
  c.Out(&c.args.max, 1);
  c.args.n = n;
  c.args.relu = relu;
  c.args.upper = relu ? 6.0f : __builtin_inff();
  c.args.code_type = type;
  c.elements = n;
}

void Concat(Suite& suite, int64_t n, int64_t width, int64_t y_width, int64_t offset, int32_t from,
            int32_t to, bool mask) {
  auto& c = suite.Add("concat_codes",
                      std::to_string(width) + " of " + std::to_string(y_width) +
                          (from == QT_U8 ? ", u8" : ", s8") + (to == QT_U8 ? " to u8" : " to s8"),
                      qt_concat_codes);
  const int64_t outer = (n + width - 1) / width;
  c.In(&c.args.x, Integers<uint8_t>(outer * width, 0, 255, 3));
  c.In(&c.args.x_scale, std::vector<float>{0.25f});
  c.In(&c.args.x_zero_point, std::vector<int32_t>{5});
  c.In(&c.args.y_scale, std::vector<float>{mask ? 0.1f : 0.5f});  // 0.5: ties
  c.In(&c.args.y_zero_point, std::vector<int32_t>{9});
  // A timed case writes its columns only.
  if (suite.timed()) {
    c.OutBytes(&c.args.y, outer * y_width, 1);
  } else {
    c.InOut(&c.args.y, Integers<uint8_t>(outer * y_width, 0, 255, 7));
  }
  if (mask) c.Out(&c.args.mask, (outer * width + 7) / 8);
  c.args.outer = outer;
  c.args.width = width;
  c.args.y_width = y_width;
  c.args.offset = offset;
  c.args.qmin = Least(to) + 1;
  c.args.qmax = Most(to) - 1;
  c.args.code_type = from;
  c.args.y_code_type = to;
  c.elements = outer * width;
}

void GlobalPool(Suite& suite, int64_t images, int64_t pixels, int64_t channels, int32_t type) {
  auto& c = suite.Add("global_pool_sum",
                      std::to_string(pixels) + " pixels, " + std::to_string(channels) +
                          (type == QT_U8 ? " channels, u8" : " channels, s8"),
                      qt_global_pool_sum);
  const int64_t n = images * pixels * channels;
  c.In(&c.args.x, Integers<uint8_t>(n, 0, 255, 3));
  c.In(&c.args.zero_point, std::vector<int32_t>{type == QT_U8 ? 131 : -5});
  c.Out(&c.args.acc, images * channels);
  c.args.n = images;
  c.args.hw = pixels;
  c.args.c = channels;
  c.args.code_type = type;
  c.elements = n;
}

constexpr Geometry kPools[] = {
    {"2x2 stride 2", 2, 2, 2, 2, 0, 0, 0, 0},
    {"3x3 stride 2, padded", 3, 3, 2, 2, 1, 1, 1, 1},
    {"3x2 stride 1x3, padded", 3, 2, 1, 3, 2, 1, 0, 1},
};

int64_t Inputs(const qt_window& w) { return w.n * w.h * w.w * w.c; }
int64_t Outputs(const qt_window& w) { return w.n * w.p * w.q * w.c; }

std::string PoolName(const Geometry& g, const qt_window& w, int32_t type) {
  return std::string(g.name) + ", " + std::to_string(w.c) +
         (type == QT_U8 ? " channels, u8" : " channels, s8");
}

void AveragePool(Suite& suite, const Geometry& g, const qt_window& w, int32_t type, bool mask,
                 bool count_padding) {
  auto& c = suite.Add("average_pool_codes", PoolName(g, w, type), qt_average_pool_codes);
  c.In(&c.args.x, Integers<uint8_t>(Inputs(w), 0, 255, 3));
  c.In(&c.args.x_scale, std::vector<float>{0.25f});
  c.In(&c.args.x_zero_point, std::vector<int32_t>{7});
  c.In(&c.args.y_scale, std::vector<float>{type == QT_U8 ? 0.25f : 0.11f});
  c.In(&c.args.y_zero_point, std::vector<int32_t>{10});
  c.OutBytes(&c.args.y, Outputs(w), 1);
  if (mask) c.Out(&c.args.mask, (Outputs(w) + 7) / 8);
  c.args.window = w;
  c.args.qmin = Least(type);
  c.args.qmax = Most(type) - 20;
  c.args.count_padding = count_padding;
  c.args.code_type = type;
  c.elements = Inputs(w);
}

void AveragePoolFixed(Suite& suite, const Geometry& g, const qt_window& w, int32_t type,
                      bool mask) {
  auto& c =
      suite.Add("average_pool_codes_fixed", PoolName(g, w, type), qt_average_pool_codes_fixed);
  c.In(&c.args.x, Integers<uint8_t>(Inputs(w), 0, 255, 3));
  c.OutBytes(&c.args.y, Outputs(w), 1);
  if (mask) c.Out(&c.args.mask, (Outputs(w) + 7) / 8);
  c.args.window = w;
  c.args.qmin = Least(type);
  c.args.qmax = Most(type) - 60;
  c.args.code_type = type;
  c.elements = Inputs(w);
}

void Binary(Suite& suite, int64_t n) {
  for (const Scales& s : kScales) {
    for (const int32_t type : {QT_U8, QT_S8}) {
      const bool mask = type == QT_S8 || s.a == 0.25f, relu = type == QT_S8;
      if (suite.timed() && (type == QT_S8 || s.a != 0.0173f)) continue;
      Add(suite, s, type, n, mask, relu);
      Mul(suite, s, type, n, mask);
      // The fixed-point adds have a range of scales.
      if (s.y < 1e-30f) continue;
      AddFixed(suite, s, QT_ADD_TFLITE, type, n, mask, relu);
      AddFixed(suite, s, QT_ADD_XNNPACK, type, n, mask, relu);
    }
  }
  if (suite.timed()) Add(suite, kScales[0], QT_S8, n, /*mask=*/true, /*relu=*/true);
}

void Timed(Suite& suite, int64_t n) {
  Concat(suite, n, n / 64, n / 64, 0, QT_U8, QT_U8, /*mask=*/false);
  AddRange(suite, QT_U8, n, /*relu=*/true);
  GlobalPool(suite, n / (49 * 512), 49, 512, QT_U8);
  const qt_window small = WindowOf(kPools[0], n / (56 * 56 * 64), 56, 56, 64);
  AveragePool(suite, kPools[0], small, QT_U8, /*mask=*/false, /*count_padding=*/false);
  AveragePool(suite, kPools[0], small, QT_S8, /*mask=*/true, /*count_padding=*/false);
  AveragePoolFixed(suite, kPools[0], small, QT_S8, /*mask=*/false);
}

}  // namespace

void CodesCases(Suite& suite) {
  for (const int64_t n : suite.Sizes()) {
    Binary(suite, n);
    if (suite.timed()) {
      Timed(suite, n);
      continue;
    }
    for (const int32_t type : {QT_U8, QT_S8}) {
      AddRange(suite, type, n, /*relu=*/false);
      AddRange(suite, type, n, /*relu=*/true);
      Concat(suite, n, 3, 10, 7, type, QT_U8, /*mask=*/true);
      Concat(suite, n, 64, 64, 0, type, QT_S8, /*mask=*/false);
      Concat(suite, n, 1021, 1100, 5, type, QT_S8, /*mask=*/true);
      for (const int64_t channels : {1, 3, 64, 147}) {
        GlobalPool(suite, 1 + n / (49 * channels), 49, channels, type);
        for (const Geometry& g : kPools) {
          const qt_window w = WindowOf(g, 1 + n / 600, 7, 9, channels);
          AveragePool(suite, g, w, type, /*mask=*/channels != 64, /*count_padding=*/channels == 3);
          AveragePoolFixed(suite, g, w, type, /*mask=*/channels != 3);
        }
      }
    }
  }
  if (!suite.timed()) Binary(suite, 65536);  // every pair of codes
}

}  // namespace qt::check
