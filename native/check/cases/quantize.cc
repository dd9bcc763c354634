// Quantize, dequantize, straight-through, weights to codes.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

struct Grid {
  const char* name;
  int32_t qmin, qmax, zero_point;
  float scale;
  int32_t code_type;
};
constexpr Grid kGrids[] = {
    {"s8", -127, 127, 0, 0.0173f, QT_S8},
    {"u8", 0, 255, 131, 0.05f, QT_U8},
    {"s8 full", -128, 127, 5, 1e30f, QT_S8},
    {"2 bits", -1, 1, 0, 0.25f, QT_S8},
    {"u16", 0, 65535, 7, 1.17549435e-38f, QT_U16},
    {"s16", -32767, 32767, 0, 0.001f, QT_S16},
};

// The inputs and fields that fake_quant, its backward and quantize have in common.
template <class Call>
void AddGrid(Call* c, const Layout& layout, const Grid& grid, int32_t real) {
  const int64_t n = layout.elements();
  std::vector<float> scale(layout.channels);
  std::vector<int32_t> zero_point(layout.channels);
  for (int64_t i = 0; i < layout.channels; ++i) {
    scale[i] = grid.scale * static_cast<float>(i % 8 + 1);
    zero_point[i] = i % 2 == 0 ? grid.zero_point : grid.qmax;
  }
  c->RealIn(&c->args.x, real, Values(n, grid.scale, grid.qmin, grid.qmax, grid.zero_point, 17));
  c->In(&c->args.scale, scale);
  c->In(&c->args.zero_point, zero_point);
  c->args.outer = layout.outer;
  c->args.channels = layout.channels;
  c->args.inner = layout.inner;
  c->args.qmin = grid.qmin;
  c->args.qmax = grid.qmax;
  c->args.element_type = real;
  c->elements = n;
}

std::string Variant(const Layout& layout, const Grid& grid, int32_t real) {
  return layout.name + ", " + grid.name + TypeName(real);
}

void FakeQuant(Suite& suite, const Layout& layout, const Grid& grid, int32_t real, bool mask) {
  const std::string variant = Variant(layout, grid, real);
  const int64_t n = layout.elements();
  auto& c = suite.Add("fake_quant", variant + (mask ? "" : ", no mask"), qt_fake_quant);
  AddGrid(&c, layout, grid, real);
  c.RealOut(&c.args.y, real, n);
  c.MayBe(&c.args.x);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
}

void FakeQuantBackward(Suite& suite, const Layout& layout, const Grid& grid, int32_t real) {
  const int64_t n = layout.elements();
  auto& c =
      suite.Add("fake_quant_backward", Variant(layout, grid, real), qt_fake_quant_backward);
  AddGrid(&c, layout, grid, real);
  c.RealIn(&c.args.dy, real, Values(n, 0.1f, -127, 127, 0, 3));
  c.RealOut(&c.args.dx, real, n);
  c.MayBe(&c.args.dy);
}

void Quantize(Suite& suite, const Layout& layout, const Grid& grid, int32_t real, bool mask) {
  const std::string variant = Variant(layout, grid, real);
  const int64_t n = layout.elements(), bytes = grid.code_type >= QT_U16 ? 2 : 1;
  auto& c = suite.Add("quantize", variant + (mask ? "" : ", no mask"), qt_quantize);
  AddGrid(&c, layout, grid, real);
  c.OutBytes(&c.args.codes, n * bytes, bytes);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  c.args.code_type = grid.code_type;
}

void Dequantize(Suite& suite, const Layout& layout, const Grid& grid, int32_t real, bool scaled) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("dequantize", Variant(layout, grid, real) + (scaled ? "" : ", no scale"),
                      qt_dequantize);
  if (grid.code_type >= QT_U16) {
    c.In(&c.args.codes, Integers<uint16_t>(n, 0, 65535, 11));
  } else {
    c.In(&c.args.codes, Integers<uint8_t>(n, 0, 255, 11));
  }
  if (scaled) c.In(&c.args.scale, Uniform(layout.channels, 1e-6f, 2.0f, 5));
  if (scaled || grid.zero_point != 0) {
    c.In(&c.args.zero_point, Integers<int32_t>(layout.channels, grid.qmin, grid.qmax, 9));
  }
  c.RealOut(&c.args.y, real, n);
  c.args.outer = layout.outer;
  c.args.channels = layout.channels;
  c.args.inner = layout.inner;
  c.args.code_type = grid.code_type;
  c.args.element_type = real;
  c.elements = n;
}

void ScaleChannels(Suite& suite, const Layout& layout, int32_t from, int32_t to, bool scaled) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("scale_channels",
                      std::string(layout.name) + (scaled ? "" : ", no factor") +
                          (from == QT_ELEMENT_BF16 ? ", bf16" : ", float32") +
                          (to == QT_ELEMENT_BF16 ? " to bf16" : " to float32"),
                      qt_scale_channels);
  // What a product with NaN is differs between processors.
  c.RealIn(&c.args.x, from, Values(n, 0.1f, -127, 127, 0, 15, /*finite=*/scaled));
  if (scaled) c.In(&c.args.factor, Uniform(layout.channels, -2.0f, 2.0f, 17));
  c.RealOut(&c.args.y, to, n);
  if (from == to) c.MayBe(&c.args.x);
  c.args.outer = layout.outer;
  c.args.channels = layout.channels;
  c.args.inner = layout.inner;
  c.args.element_type = from;
  c.args.y_type = to;
  c.own_type = &c.args.y_type;
  c.elements = n;
}

void RequantizeCodes(Suite& suite, int64_t n, int32_t from, int32_t to, bool mask) {
  auto& c = suite.Add("requantize_codes",
                      std::string(from == QT_U8 ? "u8" : "s8") + " to " +
                          (to == QT_U8 ? "u8" : "s8") + (mask ? "" : ", no mask"),
                      qt_requantize_codes);
  c.In(&c.args.codes, Integers<uint8_t>(n, 0, 255, 13));
  c.In(&c.args.scale, std::vector<float>{0.031f});
  c.In(&c.args.zero_point, std::vector<int32_t>{3});
  c.In(&c.args.out_scale, std::vector<float>{0.0155f});
  c.In(&c.args.out_zero_point, std::vector<int32_t>{to == QT_U8 ? 120 : -3});
  c.OutBytes(&c.args.out_codes, n, 1);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  c.args.n = n;
  c.args.qmin = to == QT_U8 ? 0 : -127;
  c.args.qmax = to == QT_U8 ? 255 : 127;
  c.args.code_type = from;
  c.args.out_code_type = to;
  c.elements = n;
}

void SteBackward(Suite& suite, int64_t n, int32_t real, bool mask) {
  auto& c = suite.Add("ste_backward",
                      std::string(mask ? "masked" : "pass through") +
                          TypeName(real),
                      qt_ste_backward);
  c.RealIn(&c.args.dy, real, Values(n, 0.1f, -127, 127, 0, 3));
  if (mask) c.In(&c.args.mask, RandomMask(n, 5));
  c.RealOut(&c.args.dx, real, n);
  c.MayBe(&c.args.dy);
  c.args.n = n;
  c.args.element_type = real;
  c.elements = n;
}

// Numbers whose quotient is a tie or next to one, for scales of every significand: where a quotient
// that is one unit off shows.
void NearTies(Suite& suite, int64_t channels, int64_t inner, bool channels_last) {
  auto& c = suite.Add("fake_quant", channels_last ? "near ties, last" : "near ties", qt_fake_quant);
  const std::vector<float> scale = Uniform(channels, 0.5f, 2.0f, 41);
  const std::vector<int32_t> level = Integers<int32_t>(channels * inner, -40000, 40000, 42);
  const std::vector<int32_t> off = Integers<int32_t>(channels * inner, -2, 2, 43);
  std::vector<float> x(channels * inner);
  for (int64_t i = 0; i < channels * inner; ++i) {
    const float s = scale[channels_last ? i % channels : i / inner];
    x[i] = (static_cast<float>(level[i]) + 0.5f) * s;
    for (int32_t step = off[i]; step != 0; step -= step > 0 ? 1 : -1) {
      x[i] = nextafterf(x[i], step > 0 ? INFINITY : -INFINITY);
    }
  }
  c.In(&c.args.x, x);
  c.In(&c.args.scale, scale);
  c.In(&c.args.zero_point, std::vector<int32_t>(channels, 0));
  c.RealOut(&c.args.y, QT_ELEMENT_F32, channels * inner);
  c.Out(&c.args.mask, (channels * inner + 7) / 8);
  c.args.outer = channels_last ? inner : 1;
  c.args.channels = channels;
  c.args.inner = channels_last ? 1 : inner;
  c.args.qmin = -32767;
  c.args.qmax = 32767;
  c.args.element_type = QT_ELEMENT_F32;
  c.elements = channels * inner;
}

// [channels, inner] of about n elements.
struct WeightShape {
  const char* name;
  int64_t channels, inner;
};

std::vector<float> Gammas(int64_t channels) {
  std::vector<float> gamma = Uniform(channels, -1.0f, 1.0f, 23);
  for (int64_t i = 0; i < channels; i += 5) gamma[i] = i % 2 == 0 ? 0.0f : -0.0f;
  return gamma;
}

void QuantizeWeight(Suite& suite, const WeightShape& shape, int32_t qmax, bool narrow, bool gamma,
                    bool power_of_two = false) {
  const int64_t n = shape.channels * shape.inner;
  const std::string variant = std::string(shape.name) + (narrow ? ", narrow" : ", full") +
                              (gamma ? ", gamma" : "") +
                              (power_of_two ? ", powers of two" : "");
  auto& c = suite.Add("quantize_weight", variant, qt_quantize_weight);
  c.In(&c.args.w, Values(n, 0.01f, -qmax, qmax, 0, 29, /*finite=*/true));
  if (gamma) c.In(&c.args.gamma, Gammas(shape.channels));
  c.Out(&c.args.codes, n);
  c.Out(&c.args.scale, shape.channels);
  c.args.channels = shape.channels;
  c.args.inner = shape.inner;
  c.args.qmin = narrow ? -qmax : -qmax - 1;
  c.args.qmax = qmax;
  c.args.power_of_two = power_of_two ? 1 : 0;
  c.elements = n;

  auto& b = suite.Add("quantize_weight_backward", variant, qt_quantize_weight_backward);
  b.In(&b.args.dwq, Values(n, 0.1f, -127, 127, 0, 31));
  if (gamma) b.In(&b.args.gamma, Gammas(shape.channels));
  b.Out(&b.args.dw, n);
  b.MayBe(&b.args.dwq);
  b.args.channels = shape.channels;
  b.args.inner = shape.inner;
  b.elements = n;
}

void BinaryWeight(Suite& suite, const WeightShape& shape, int32_t real, bool y, bool codes) {
  const int64_t n = shape.channels * shape.inner;
  auto& c = suite.Add("binary_weight",
                      std::string(shape.name) + (y ? ", y" : "") + (codes ? ", codes" : "") +
                          TypeName(real),
                      qt_binary_weight);
  // Multiples of 2^-10, so that the sums are exact in every order and all bits are compared.
  std::vector<float> w = Uniform(n, -2.0f, 2.0f, 37);
  for (int64_t i = 0; i < n; ++i) {
    w[i] = static_cast<float>(static_cast<int32_t>(w[i] * 1024.0f)) / 1024.0f;
    if (i % 11 == 0) w[i] = -0.0f;
    if (i % 97 == 5) w[i] = NAN;
  }
  c.RealIn(&c.args.w, real, w);
  if (y) {
    c.RealOut(&c.args.y, real, n);
    c.MayBe(&c.args.w);
  }
  if (codes) c.Out(&c.args.codes, n);
  c.Out(&c.args.scale, shape.channels);
  c.args.channels = shape.channels;
  c.args.inner = shape.inner;
  c.args.element_type = real;
  c.elements = n;
}

void PerElement(Suite& suite, int64_t n) {
  std::vector<Layout> layouts = Layouts(suite, n);
  // Groups of 64 of a weight's inner dimension.
  layouts.push_back({"groups of 64", 1, (n + 63) / 64, 64});
  for (const Layout& layout : layouts) {
    for (const int32_t from : kReals) {
      for (const int32_t to : kReals) {
        ScaleChannels(suite, layout, from, to, /*scaled=*/true);
        ScaleChannels(suite, layout, from, to, /*scaled=*/false);
      }
    }
    for (const int32_t real : kReals) {
      for (const Grid& grid : kGrids) {
        if (real == QT_ELEMENT_BF16 && grid.qmin == -128) continue;
        FakeQuant(suite, layout, grid, real, /*mask=*/true);
        FakeQuantBackward(suite, layout, grid, real);
        Quantize(suite, layout, grid, real, /*mask=*/true);
        Dequantize(suite, layout, grid, real, /*scaled=*/true);
        if (grid.qmin == -1 || suite.timed()) {
          FakeQuant(suite, layout, grid, real, /*mask=*/false);
          Quantize(suite, layout, grid, real, /*mask=*/false);
          Dequantize(suite, layout, grid, real, /*scaled=*/false);
        }
        if (suite.timed()) break;
      }
    }
  }
  for (const int32_t real : kReals) {
    SteBackward(suite, n, real, /*mask=*/true);
    SteBackward(suite, n, real, /*mask=*/false);
  }
  for (const int32_t from : {QT_U8, QT_S8}) {
    for (const int32_t to : {QT_U8, QT_S8}) {
      RequantizeCodes(suite, n, from, to, /*mask=*/true);
      if (suite.timed()) break;
      RequantizeCodes(suite, n, from, to, /*mask=*/false);
    }
  }
}

void Weights(Suite& suite, int64_t n) {
  const int64_t wide = suite.timed() ? n / 64 : (n + 6) / 7;
  const int64_t channels = suite.timed() ? 64 : 7;
  for (const WeightShape& shape : {WeightShape{"per tensor", 1, n},
                                   WeightShape{"per channel", channels, wide},
                                   WeightShape{"per channel of 9", (n + 8) / 9, 9}}) {
    QuantizeWeight(suite, shape, 127, /*narrow=*/true, /*gamma=*/false);
    if (!suite.timed()) {
      QuantizeWeight(suite, shape, 1, /*narrow=*/false, /*gamma=*/true);
      QuantizeWeight(suite, shape, 127, /*narrow=*/true, /*gamma=*/false, /*power_of_two=*/true);
      BinaryWeight(suite, shape, QT_ELEMENT_F32, /*y=*/true, /*codes=*/true);
      BinaryWeight(suite, shape, QT_ELEMENT_F32, /*y=*/false, /*codes=*/true);
    }
    for (const int32_t real : kReals) {
      BinaryWeight(suite, shape, real, /*y=*/true, /*codes=*/false);
    }
  }
}

}  // namespace

void QuantizeCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    PerElement(suite, size);
    Weights(suite, size);
  }
  if (!suite.timed()) {
    NearTies(suite, 512, 256, /*channels_last=*/false);
    NearTies(suite, 512, 256, /*channels_last=*/true);
    // Longer than a part of a sum.
    BinaryWeight(suite, {"long", 2, 40000}, QT_ELEMENT_F32, /*y=*/true, /*codes=*/true);
    QuantizeWeight(suite, {"long", 2, 40000}, 127, /*narrow=*/true, /*gamma=*/true);
  }
}

}  // namespace qt::check
