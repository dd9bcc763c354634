// Stochastic rounding, EWGS, DoReFa, oscillating weights, APoT, N2UQ.
#include "check/case.h"

namespace qt::check {
namespace {

std::vector<float> Scales(int64_t channels) {
  std::vector<float> scale(channels);
  for (int64_t i = 0; i < channels; ++i) scale[i] = 0.01f * static_cast<float>(i % 8 + 1);
  return scale;
}

template <class C>
void Grid(C* c, const Layout& layout) {
  c->In(&c->args.scale, Scales(layout.channels));
  c->In(&c->args.zero_point, Integers<int32_t>(layout.channels, -3, 3, 11));
  c->args.qmin = -7;
  c->args.qmax = 7;
}

template <class C>
void Shape(C* c, const Layout& layout, int32_t type) {
  c->args.outer = layout.outer;
  c->args.channels = layout.channels;
  c->args.inner = layout.inner;
  c->args.element_type = type;
  c->elements = layout.elements();
}

template <class C>
void Draws(C* c) {
  c->In(&c->args.draws.step, std::vector<int64_t>{int64_t{77} << 30});
  c->args.draws.seed = 0x123456789abcdefLL;
  c->args.draws.stream = 5;
}

void StochasticQuantize(Suite& suite, const Layout& layout, int32_t type, bool mask) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("stochastic_quantize", InType(layout.name, type), qt_stochastic_quantize);
  c.RealIn(&c.args.x, type, Values(n, 0.01f, -7, 7, 0, 17));
  Grid(&c, layout);
  c.OutBytes(&c.args.codes, n, 1);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  Draws(&c);
  Shape(&c, layout, type);
  c.args.code_type = QT_S8;
}

void StochasticFakeQuant(Suite& suite, const Layout& layout, int32_t type, bool mask) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("stochastic_fake_quant",
                      InType(layout.name, type) + (mask ? "" : ", no mask"),
                      qt_stochastic_fake_quant);
  c.RealIn(&c.args.x, type, Values(n, 0.01f, -7, 7, 0, 17));
  Grid(&c, layout);
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.x);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  Draws(&c);
  Shape(&c, layout, type);
}

void Ewgs(Suite& suite, const Layout& layout, int32_t type, bool dx) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("ewgs_backward", InType(layout.name, type) + (dx ? "" : ", no dx"),
                      qt_ewgs_backward);
  c.RealIn(&c.args.x, type, Values(n, 0.05f, -7, 7, 0, 17, /*finite=*/true));
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 3));
  Grid(&c, layout);
  c.In(&c.args.delta, std::vector<float>{0.2f});
  if (dx) {
    c.RealOut(&c.args.dx, type, n);
    c.MayBe(&c.args.dy);
  }
  // Terms are at most 11 in magnitude; a fixed tree of n of them loses at most log2(n) roundings.
  const double count = static_cast<double>(n) / static_cast<double>(layout.channels);
  c.OutSum(&c.args.dscale, layout.channels, 11.0 * count * 24 * 6e-8);
  Shape(&c, layout, type);
  c.args.levels = 14;
  c.args.gradient_scale = 0.5f;
}

void DorefaActivation(Suite& suite, int64_t n, int32_t type) {
  auto& c = suite.Add("dorefa_activation", InType("", type), qt_dorefa_activation);
  c.RealIn(&c.args.x, type, Values(n, 1.0f / 15.0f, 0, 15, 0, 3));
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.x);
  c.args.n = n;
  c.args.bits = 4;
  c.args.element_type = type;
  c.elements = n;
}

void DorefaActivationBackward(Suite& suite, int64_t n, int32_t type) {
  auto& c = suite.Add("dorefa_activation_backward", InType("", type),
                      qt_dorefa_activation_backward);
  c.RealIn(&c.args.x, type, Values(n, 1.0f / 15.0f, 0, 15, 0, 3));
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 4));
  c.RealOut(&c.args.dx, type, n);
  c.MayBe(&c.args.dy);
  c.args.n = n;
  c.args.element_type = type;
  c.elements = n;
}

void DorefaWeight(Suite& suite, int64_t channels, int64_t inner, int32_t type, bool zeros) {
  const int64_t n = channels * inner;
  auto& c = suite.Add("dorefa_weight",
                      std::to_string(channels) + " channels" + (zeros ? ", zeros" : "") +
                          TypeName(type),
                      qt_dorefa_weight);
  c.RealIn(&c.args.w, type,
           zeros ? std::vector<float>(n) : std::vector<float>(Values(n, 0.1f, -15, 15, 0, 3)));
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.w);
  c.Out(&c.args.max_tanh, channels);
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.bits = 3;
  c.args.element_type = type;
  c.elements = n;
}

void DorefaWeightBackward(Suite& suite, int64_t channels, int64_t inner, int32_t type) {
  const int64_t n = channels * inner;
  auto& c = suite.Add("dorefa_weight_backward",
                      InType(std::to_string(channels) + " channels", type),
                      qt_dorefa_weight_backward);
  c.RealIn(&c.args.w, type, Values(n, 0.1f, -15, 15, 0, 3, /*finite=*/true));
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 4));
  c.RealOut(&c.args.dw, type, n);
  c.MayBe(&c.args.dy);
  c.In(&c.args.max_tanh, Uniform(channels, 0.5f, 1.0f, 5));
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.element_type = type;
  c.elements = n;
}

void DorefaGradient(Suite& suite, int64_t samples, int64_t inner, int32_t type, bool zeros) {
  const int64_t n = samples * inner;
  auto& c = suite.Add("dorefa_gradient",
                      InType(std::to_string(samples) + " samples" + (zeros ? ", zeros" : ""), type),
                      qt_dorefa_gradient);
  c.RealIn(&c.args.dy, type,
           zeros ? std::vector<float>(n)
                 : std::vector<float>(Values(n, 0.1f, -15, 15, 0, 3, /*finite=*/true)));
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.dy);
  c.Out(&c.args.max, samples);
  Draws(&c);
  c.args.samples = samples;
  c.args.inner = inner;
  c.args.bits = 4;
  c.args.element_type = type;
  c.elements = n;
}

void TrackOscillations(Suite& suite, int64_t channels, int64_t inner) {
  const int64_t n = channels * inner;
  auto& c = suite.Add("track_oscillations", std::to_string(channels) + " channels",
                      qt_track_oscillations);
  c.InOut(&c.args.w, Values(n, 0.05f, -7, 7, 0, 17));
  c.In(&c.args.scale, Scales(channels));
  c.InOut(&c.args.integer, Integers<int8_t>(n, -7, 7, 1));
  c.InOut(&c.args.direction, Integers<int8_t>(n, -1, 1, 2));
  c.InOut(&c.args.phase, Integers<uint8_t>(n, 0, 2, 3));
  c.InOut(&c.args.frequency, Uniform(n, 0.0f, 0.03f, 4));
  c.InOut(&c.args.mean, Uniform(n, -8.0f, 8.0f, 5));
  c.In(&c.args.momentum, std::vector<float>{0.01f});
  c.In(&c.args.threshold, std::vector<float>{0.02f});
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.qmin = -7;
  c.args.qmax = 7;
  c.elements = n;
}

void Dampening(Suite& suite, const Layout& layout, int32_t type) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("dampening", InType(layout.name, type), qt_dampening);
  c.RealIn(&c.args.x, type, Values(n, 0.05f, -7, 7, 0, 17));
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 3));
  c.In(&c.args.scale, Scales(layout.channels));
  c.In(&c.args.lambda, std::vector<float>{0.1f});
  c.RealOut(&c.args.dx, type, n);
  c.MayBe(&c.args.dy);
  // Terms are at most (s / 2)^2 = 0.0016, times lambda.
  const double count = static_cast<double>(n) / static_cast<double>(layout.channels);
  c.OutSum(&c.args.loss, layout.channels, 0.00016 * count * 24 * 6e-8);
  Shape(&c, layout, type);
  c.args.qmin = -7;
  c.args.qmax = 7;
}

std::vector<float> Alphas(int64_t channels) {
  std::vector<float> alpha(channels);
  for (int64_t i = 0; i < channels; ++i) alpha[i] = 0.3f * static_cast<float>(i % 5 + 1);
  return alpha;
}

std::string Bits(const Layout& layout, int32_t bits, bool is_signed) {
  return layout.name + ", " + std::to_string(bits) + " bits" + (is_signed ? "" : ", unsigned");
}

void Apot(Suite& suite, const Layout& layout, int32_t type, int32_t bits, bool is_signed) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("apot", InType(Bits(layout, bits, is_signed), type), qt_apot);
  c.RealIn(&c.args.x, type, Values(n, 0.1f, -10, 10, 0, 17));
  c.In(&c.args.alpha, Alphas(layout.channels));
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.x);
  Shape(&c, layout, type);
  c.args.bits = bits;
  c.args.is_signed = is_signed;
}

void ApotBackward(Suite& suite, const Layout& layout, int32_t type, int32_t bits, bool is_signed,
                  bool pass_through) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("apot_backward", InType(Bits(layout, bits, is_signed), type),
                      qt_apot_backward);
  c.RealIn(&c.args.x, type, Values(n, 0.1f, -10, 10, 0, 17));
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 3));
  c.In(&c.args.alpha, Alphas(layout.channels));
  c.RealOut(&c.args.dx, type, n);
  c.MayBe(&c.args.dy);
  // Terms are at most 1.
  const double count = static_cast<double>(n) / static_cast<double>(layout.channels);
  c.OutSum(&c.args.dalpha, layout.channels, count * 24 * 6e-8);
  Shape(&c, layout, type);
  c.args.bits = bits;
  c.args.is_signed = is_signed;
  c.args.pass_through = pass_through;
  c.args.gradient_scale = 0.5f;
}

// Tables of 2^bits - 1 intervals, some below their least value.
template <class C>
void N2uqInputs(C* c, int64_t n, int32_t type, int32_t bits) {
  const int32_t segments = (1 << bits) - 1;
  std::vector<float> intervals = Uniform(segments, 0.1f, 2.0f, 5);
  for (float& a : intervals) a *= 2.0f / static_cast<float>(segments);
  intervals[segments / 2] = -1.0f;
  c->RealIn(&c->args.x, type, Values(n, 0.1f, -10, 25, 0, 17, /*finite=*/true));
  c->In(&c->args.start, std::vector<float>{-0.1f});
  c->In(&c->args.intervals, intervals);
  c->In(&c->args.in_scale, std::vector<float>{0.8f});
  c->In(&c->args.out_scale, std::vector<float>{1.3f});
  c->args.n = n;
  c->args.bits = bits;
  c->args.element_type = type;
  c->elements = n;
}

void N2uq(Suite& suite, int64_t n, int32_t type, int32_t bits) {
  auto& c = suite.Add("n2uq", InType(std::to_string(bits) + " bits", type), qt_n2uq);
  N2uqInputs(&c, n, type, bits);
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.x);
}

void N2uqBackward(Suite& suite, int64_t n, int32_t type, int32_t bits) {
  const int32_t segments = (1 << bits) - 1;
  auto& c = suite.Add("n2uq_backward", InType(std::to_string(bits) + " bits", type),
                      qt_n2uq_backward);
  N2uqInputs(&c, n, type, bits);
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 3));
  c.RealOut(&c.args.dx, type, n);
  c.MayBe(&c.args.dy);
  // Slopes are at most 1.3 * (2 / segments) / 1e-3, and so are their sums with u <= 3; a sum of n of
  // them in any order is off by n of its roundings at most, and in these trees by far fewer.
  const double terms = 1.3 * 2.0 / segments / 1e-3 * static_cast<double>(n);
  const double bound = terms * 64 * 6e-8;
  c.OutSum(&c.args.dstart, 1, bound);
  c.OutSum(&c.args.dintervals, segments, bound);
  c.OutSum(&c.args.din_scale, 1, 4 * bound);
  c.OutSum(&c.args.dout_scale, 1, bound + 2e-5 * static_cast<double>(n));
}

void N2uqWeight(Suite& suite, const Layout& layout, int32_t type) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("n2uq_weight", InType(layout.name, type), qt_n2uq_weight);
  c.RealIn(&c.args.x, type, Values(n, 0.1f, -10, 10, 0, 17));
  c.In(&c.args.mean_magnitude, Alphas(layout.channels));
  c.RealOut(&c.args.y, type, n);
  c.MayBe(&c.args.x);
  Shape(&c, layout, type);
  c.args.bits = 4;
}

}  // namespace

void OthersCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    for (const int32_t type : kReals) {
      for (const Layout& layout : Layouts(suite, size)) {
        StochasticQuantize(suite, layout, type, /*mask=*/type == QT_ELEMENT_F32);
        StochasticFakeQuant(suite, layout, type, /*mask=*/!suite.timed());
        Ewgs(suite, layout, type, /*dx=*/true);
        Dampening(suite, layout, type);
        Apot(suite, layout, type, 4, /*is_signed=*/true);
        ApotBackward(suite, layout, type, 4, /*is_signed=*/true, /*pass_through=*/false);
        N2uqWeight(suite, layout, type);
      }
      for (const int32_t bits : {2, 4, 8}) {
        N2uq(suite, size, type, bits);
        N2uqBackward(suite, size, type, bits);
      }
      DorefaActivation(suite, size, type);
      DorefaActivationBackward(suite, size, type);
      for (const int64_t channels : {1, 7}) {
        const int64_t inner = (size + channels - 1) / channels;
        DorefaWeight(suite, channels, inner, type, /*zeros=*/false);
        DorefaWeightBackward(suite, channels, inner, type);
        DorefaGradient(suite, channels, inner, type, /*zeros=*/false);
        if (type == QT_ELEMENT_F32) TrackOscillations(suite, channels, inner);
        if (suite.timed()) break;
        DorefaWeight(suite, channels, inner, type, /*zeros=*/true);
        DorefaGradient(suite, channels, inner, type, /*zeros=*/true);
      }
    }
    if (suite.timed()) continue;
    for (int32_t bits = 2; bits <= 6; ++bits) {
      for (const bool is_signed : {false, true}) {
        Apot(suite, {"per tensor", 1, 1, size}, QT_ELEMENT_F32, bits, is_signed);
        ApotBackward(suite, {"per tensor", 1, 1, size}, QT_ELEMENT_F32, bits, is_signed, bits == 2);
      }
    }
    Ewgs(suite, {"per tensor", 1, 1, size}, QT_ELEMENT_F32, /*dx=*/false);
    StochasticFakeQuant(suite, {"per tensor", 1, 1, size}, QT_ELEMENT_F32, /*mask=*/false);
  }
}

}  // namespace qt::check
