// Quantizers with learned values, and the step of least squared error.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

struct Grid {
  const char* name;
  int32_t qmin, qmax, zero_point;
  float scale;
};
constexpr Grid kGrids[] = {
    {"s4", -7, 7, 0, 0.173f},
    {"u8", 0, 255, 131, 0.05f},
    {"2 bits full", -2, 1, 0, 0.25f},
    {"s16", -32767, 32767, 0, 1.17549435e-38f},
};

// Two orders of a float sum of `count` terms below `most` each differ by at most 2 * h * 2^-24
// times the sum of the magnitudes, h the longest chain of additions. At these sizes h < 64: a
// thread adds up to 17 terms, a lane up to 16 trees of 4, and up to 12 levels of a tree follow.
double SumBound(int64_t count, double most) {
  return 2.0 * 64.0 * 5.97e-8 * static_cast<double>(count) * most;
}

Data<float> Inputs(const Suite& suite, int64_t n, const Grid& g) {
  if (!suite.timed()) return Values(n, g.scale, g.qmin, g.qmax, g.zero_point, 23);
  const float reach = 0.6f * static_cast<float>(g.qmax - g.qmin) * g.scale;
  return Uniform(n, -reach, reach, 23);
}

// Learned values differ from channel to channel.
std::vector<float> PerChannel(int64_t channels, float value) {
  std::vector<float> values(channels);
  for (int64_t i = 0; i < channels; ++i) values[i] = value * static_cast<float>(i % 8 + 1);
  return values;
}

std::vector<int32_t> ZeroPoints(int64_t channels, const Grid& g) {
  std::vector<int32_t> values(channels);
  for (int64_t i = 0; i < channels; ++i) values[i] = i % 2 == 0 ? g.zero_point : g.qmax;
  return values;
}

enum class Type { kFloat, kBf16 };
constexpr Type kTypes[] = {Type::kFloat, Type::kBf16};

template <class Args>
class Filler {
 public:
  Filler(const Suite& suite, CallOf<Args>* c, const Layout& layout, Type type)
      : suite_(suite), c_(*c), layout_(layout) {
    c_.args.outer = layout.outer;
    c_.args.channels = layout.channels;
    c_.args.inner = layout.inner;
    c_.args.element_type = type == Type::kFloat ? QT_ELEMENT_F32 : QT_ELEMENT_BF16;
    c_.elements = layout.elements();
  }

  void X(const Grid& g) { RealIn(&c_.args.x, Inputs(suite_, layout_.elements(), g)); }
  void Dy() { RealIn(&c_.args.dy, Uniform(layout_.elements(), -1.0f, 1.0f, 29)); }
  void Output(void** slot, const void** may_be) {
    c_.RealOut(slot, c_.args.element_type, layout_.elements());
    c_.MayBe(may_be);
  }
  // most: of a term's magnitude.
  void Sum(float** slot, double most) {
    c_.OutSum(slot, layout_.channels, SumBound(layout_.outer * layout_.inner, most));
  }

 private:
  void RealIn(const void** slot, const Data<float>& values) {
    c_.RealIn(slot, c_.args.element_type, values);
  }

  const Suite& suite_;
  CallOf<Args>& c_;
  const Layout& layout_;
};

std::string Variant(const Layout& layout, const char* grid, Type type, const char* more = "") {
  return layout.name + ", " + grid + (type == Type::kFloat ? "" : ", bf16") + more;
}

void Lsq(Suite& suite, const Layout& layout, const Grid& g, Type type, bool zero_point, bool dx) {
  auto& c = suite.Add("lsq_backward",
                      Variant(layout, g.name, type,
                              dx ? zero_point ? "" : ", scale only" : ", no dx"),
                      qt_lsq_backward);
  Filler<qt_lsq_backward_args> fill(suite, &c, layout, type);
  const double steps = g.qmax - g.qmin;
  fill.X(g);
  fill.Dy();
  c.In(&c.args.scale, PerChannel(layout.channels, g.scale));
  c.In(&c.args.zero_point, ZeroPoints(layout.channels, g));
  if (dx) fill.Output(&c.args.dx, &c.args.dy);
  fill.Sum(&c.args.dscale, 0.125 * steps);
  if (zero_point) fill.Sum(&c.args.dzero_point, 0.125 * 8.0 * g.scale);
  c.args.qmin = g.qmin;
  c.args.qmax = g.qmax;
  c.args.gradient_scale = 0.125f;
}

void LsqPlus(Suite& suite, const Layout& layout, const Grid& g, Type type) {
  auto& f = suite.Add("lsq_plus", Variant(layout, g.name, type), qt_lsq_plus);
  Filler<qt_lsq_plus_args> forward(suite, &f, layout, type);
  forward.X(g);
  f.In(&f.args.scale, PerChannel(layout.channels, g.scale));
  f.In(&f.args.beta, PerChannel(layout.channels, -0.4f * g.scale));
  forward.Output(&f.args.y, &f.args.x);
  f.args.qmin = g.qmin;
  f.args.qmax = g.qmax;

  auto& b = suite.Add("lsq_plus_backward", Variant(layout, g.name, type), qt_lsq_plus_backward);
  Filler<qt_lsq_plus_backward_args> backward(suite, &b, layout, type);
  backward.X(g);
  backward.Dy();
  b.In(&b.args.scale, PerChannel(layout.channels, g.scale));
  b.In(&b.args.beta, PerChannel(layout.channels, -0.4f * g.scale));
  backward.Output(&b.args.dx, &b.args.dy);
  backward.Sum(&b.args.dscale, g.qmax - g.qmin);
  backward.Sum(&b.args.dbeta, 1.0);
  b.args.qmin = g.qmin;
  b.args.qmax = g.qmax;
  b.args.gradient_scale = 1.0f;
}

void Pact(Suite& suite, const Layout& layout, const Grid& g, Type type, bool is_signed) {
  auto& c = suite.Add("pact_backward",
                      Variant(layout, g.name, type, is_signed ? ", signed" : ", unsigned"),
                      qt_pact_backward);
  Filler<qt_pact_backward_args> fill(suite, &c, layout, type);
  fill.X(g);
  fill.Dy();
  std::vector<float> alpha =
      PerChannel(layout.channels, g.scale * static_cast<float>(g.qmax - g.zero_point));
  if (layout.channels > 2 && !suite.timed()) alpha[1] = -1.0f, alpha[2] = NAN;
  c.In(&c.args.alpha, alpha);
  fill.Output(&c.args.dx, &c.args.dy);
  fill.Sum(&c.args.dalpha, 1.0);
  c.args.is_signed = is_signed;
}

void Tqt(Suite& suite, const Layout& layout, const Grid& g, Type type) {
  auto& c = suite.Add("tqt_backward", Variant(layout, g.name, type), qt_tqt_backward);
  Filler<qt_tqt_backward_args> fill(suite, &c, layout, type);
  fill.X(g);
  fill.Dy();
  c.In(&c.args.scale, PerChannel(layout.channels, g.scale));
  c.In(&c.args.zero_point, ZeroPoints(layout.channels, g));
  fill.Output(&c.args.dx, &c.args.dy);
  fill.Sum(&c.args.dlog2_threshold, 8.0 * 0.694 * g.scale * (g.qmax - g.qmin));
  c.args.qmin = g.qmin;
  c.args.qmax = g.qmax;
}

void Dsq(Suite& suite, const Layout& layout, const Grid& g, Type type) {
  const double steps = g.qmax - g.qmin;
  std::vector<float> lower(layout.channels), upper(layout.channels), alpha(layout.channels);
  for (int64_t i = 0; i < layout.channels; ++i) {
    const float scale = g.scale * static_cast<float>(i % 8 + 1);
    lower[i] = static_cast<float>(g.qmin - g.zero_point) * scale;
    upper[i] = static_cast<float>(g.qmax - g.zero_point) * scale;
    alpha[i] = 0.1f * static_cast<float>(i % 10 + 2);  // up to 1.1: is taken as 1 - 2^-10
  }
  if (layout.channels > 5 && !suite.timed()) {
    upper[1] = lower[1];
    upper[2] = lower[2] - 1.0f;
    alpha[3] = 0.0f;
    alpha[4] = NAN;
    lower[5] = NAN;
  }
  auto& f = suite.Add("dsq_forward", Variant(layout, g.name, type), qt_dsq_forward);
  Filler<qt_dsq_forward_args> forward(suite, &f, layout, type);
  forward.X(g);
  f.In(&f.args.lower, lower);
  f.In(&f.args.upper, upper);
  f.In(&f.args.alpha, alpha);
  forward.Output(&f.args.y, &f.args.x);
  f.args.levels = g.qmax - g.qmin;

  auto& b = suite.Add("dsq_backward", Variant(layout, g.name, type), qt_dsq_backward);
  Filler<qt_dsq_backward_args> backward(suite, &b, layout, type);
  backward.X(g);
  backward.Dy();
  b.In(&b.args.lower, lower);
  b.In(&b.args.upper, upper);
  b.In(&b.args.alpha, alpha);
  backward.Output(&b.args.dx, &b.args.dy);
  // The slope is at most 3.9 (alpha = 2^-10), a term of dalpha at most 512 steps there.
  backward.Sum(&b.args.dlower, 5.0);
  backward.Sum(&b.args.dupper, 5.0);
  backward.Sum(&b.args.dalpha, 8.0 * g.scale * 520.0);
  b.args.levels = static_cast<int32_t>(steps);
}

// The learned values an optimizer may leave behind.
std::vector<float> Learned(int64_t n) {
  const float edges[] = {0.25f, -0.25f, 0.0f, -0.0f, 1e-45f,    1.17549435e-38f, -3.0f, 2.5f,
                         3.5f,  1e30f,  -1e30f, 300.7f, INFINITY, -INFINITY,  NAN,   0.1f};
  std::vector<float> values(n);
  for (int64_t i = 0; i < n; ++i) values[i] = edges[i * 7 % 16];
  return values;
}

template <class Args>
void Grid1(CallOf<Args>* c, int64_t channels, int32_t qmin, int32_t qmax) {
  c->Out(&c->args.scale, channels);
  c->Out(&c->args.zero_point, channels);
  c->args.channels = channels;
  c->args.qmin = qmin;
  c->args.qmax = qmax;
  c->elements = channels;
}

void Qparams(Suite& suite, int64_t n) {
  std::vector<float> shifted = Learned(n + 5);
  shifted.erase(shifted.begin(), shifted.begin() + 5);
  for (const char* variant : {"", "zero point", "offset"}) {
    auto& c = suite.Add("lsq_qparams", variant, qt_lsq_qparams);
    c.In(&c.args.learned_scale, Learned(n));
    if (variant[0] == 'z') c.In(&c.args.learned_zero_point, shifted);
    if (variant[0] == 'o') c.In(&c.args.learned_offset, shifted);
    Grid1(&c, n, -128, 127);
  }
  for (const bool is_signed : {true, false}) {
    auto& pact = suite.Add("pact_qparams", is_signed ? "signed" : "unsigned", qt_pact_qparams);
    pact.In(&pact.args.alpha, Learned(n));
    pact.args.is_signed = is_signed;
    Grid1(&pact, n, is_signed ? -7 : 0, is_signed ? 7 : 15);
    auto& tqt = suite.Add("tqt_qparams", is_signed ? "signed" : "unsigned", qt_tqt_qparams);
    tqt.In(&tqt.args.log2_threshold, Learned(n));
    tqt.args.is_signed = is_signed;
    Grid1(&tqt, n, is_signed ? -128 : 0, is_signed ? 127 : 65535);
  }
  auto& dsq = suite.Add("dsq_qparams", "", qt_dsq_qparams);
  dsq.In(&dsq.args.learned_lower, Learned(n));
  dsq.In(&dsq.args.learned_upper, shifted);
  Grid1(&dsq, n, 0, 255);
  dsq.Out(&dsq.args.lower, n);
  dsq.Out(&dsq.args.upper, n);
}

void MseScale(Suite& suite, const Layout& layout, const Grid& g, bool symmetric, int32_t candidates,
              int32_t type) {
  auto& c = suite.Add("mse_scale",
                      layout.name + ", " + g.name + (symmetric ? ", symmetric, " : ", affine, ") +
                          std::to_string(candidates) + " candidates" + TypeName(type),
                      qt_mse_scale);
  c.RealIn(&c.args.x, type, Inputs(suite, layout.elements(), g));
  c.args.element_type = type;
  Grid1(&c, layout.channels, g.qmin, g.qmax);
  c.args.outer = layout.outer;
  c.args.inner = layout.inner;
  c.args.symmetric = symmetric;
  c.args.candidates = candidates;
  c.elements = layout.elements();
}

// x of integers: the bits of lsq_backward on what they stand for.
struct Clip {
  const char* name;
  bool relu;
  float upper;
};
constexpr Clip kClips[] = {{", ReLU", true, INFINITY}, {", ReLU6", true, 6.0f}, {"", false, 0.0f}};

// LSQ on u4 of what `real` holds, its gradient in front of the clip.
template <class Args>
void OfIntegers(Suite& suite, CallOf<Args>* c, std::vector<float> real, const Clip& clip) {
  const int64_t n = static_cast<int64_t>(real.size());
  const Data<float> dy = Uniform(n, -1.0f, 1.0f, 29);
  const std::vector<float> scale = {0.37f};
  const std::vector<int32_t> zero_point = {clip.relu ? 0 : 8};
  c->In(&c->args.dy, dy);
  c->In(&c->args.scale, scale);
  c->In(&c->args.zero_point, zero_point);
  c->args.relu = clip.relu ? 1 : 0;
  c->args.upper = clip.upper;
  c->args.qmin = 0;
  c->args.qmax = 15;
  c->args.gradient_scale = 0.125f;
  c->elements = n;
  c->Out(&c->args.dx, n);
  c->MayBe(&c->args.dy);
  if (!suite.timed() && c->wanted) {
    if (clip.relu) {
      for (float& x : real) x = fminf(fmaxf(x, 0.0f), clip.upper);
    }
    const std::vector<float> gradient(dy);
    std::vector<float> dx(n), dscale(1);
    qt_lsq_backward_args a = {};
    a.x = real.data();
    a.dy = gradient.data();
    a.scale = scale.data();
    a.zero_point = zero_point.data();
    a.dx = dx.data();
    a.dscale = dscale.data();
    a.outer = a.channels = 1;
    a.inner = n;
    a.qmax = 15;
    a.gradient_scale = 0.125f;
    Run(qt_lsq_backward, a);
    for (int64_t i = 0; i < n && clip.relu; ++i) {
      if (!(real[i] > 0.0f && real[i] < clip.upper)) dx[i] = 0.0f;
    }
    c->Expect(dx);
  }
  c->OutSum(&c->args.dscale, 1, SumBound(n, 0.125 * 15.0));
}

void LsqOfAcc(Suite& suite, int64_t rows, int64_t channels, const Clip& clip, bool bias) {
  auto& c = suite.Add("lsq_acc_backward",
                      std::to_string(channels) + " channels" + clip.name + (bias ? "" : ", no bias"),
                      qt_lsq_acc_backward);
  const int64_t n = rows * channels;
  const std::vector<int32_t> acc = Integers<int32_t>(n, -640, 1280, 1);
  const std::vector<int32_t> biases = Integers<int32_t>(channels, -100, 100, 2);
  const std::vector<int32_t> keep = Integers<int32_t>(channels, 0, 1, 3);
  const std::vector<float> out_scale = Uniform(channels, 0.005f, 0.0155f, 4);
  c.In(&c.args.acc, acc);
  if (bias) c.In(&c.args.bias, biases);
  if (bias) c.In(&c.args.keep, keep);
  c.In(&c.args.out_scale, out_scale);
  c.args.rows = rows;
  c.args.channels = channels;
  std::vector<float> real(n);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t k = i % channels;
    const int32_t sum = bias ? keep[k] * acc[i] + biases[k] : acc[i];
    real[i] = static_cast<float>(sum) * out_scale[k];
  }
  OfIntegers(suite, &c, real, clip);
}

template <class Code>
void LsqOfCodes(Suite& suite, int64_t n, const Clip& clip, bool two) {
  constexpr bool kSigned = std::is_signed_v<Code>;
  auto& c = suite.Add("lsq_add_backward",
                      std::string(kSigned ? "s8" : "u8") + clip.name + (two ? "" : ", one"),
                      qt_lsq_add_backward);
  const std::vector<Code> a = Integers<Code>(n, kSigned ? -128 : 0, kSigned ? 127 : 255, 5);
  const std::vector<Code> b = Integers<Code>(n, kSigned ? -128 : 0, kSigned ? 127 : 255, 6);
  const float a_scale = 0.043f, b_scale = 0.037f;
  const int32_t a_zero_point = kSigned ? -5 : 131, b_zero_point = kSigned ? 7 : 120;
  c.In(&c.args.a, a);
  c.In(&c.args.a_scale, std::vector<float>{a_scale});
  c.In(&c.args.a_zero_point, std::vector<int32_t>{a_zero_point});
  if (two) {
    c.In(&c.args.b, b);
    c.In(&c.args.b_scale, std::vector<float>{b_scale});
    c.In(&c.args.b_zero_point, std::vector<int32_t>{b_zero_point});
  }
  c.args.n = n;
  c.args.code_type = kSigned ? QT_S8 : QT_U8;
  std::vector<float> real(n);
  for (int64_t i = 0; i < n; ++i) {
    real[i] = static_cast<float>(a[i] - a_zero_point) * a_scale;
    if (two) real[i] += static_cast<float>(b[i] - b_zero_point) * b_scale;
  }
  OfIntegers(suite, &c, real, clip);
}

}  // namespace

void LearnedCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    if (!suite.timed()) Qparams(suite, size);
    for (const int32_t type : kReals) {
      if (!suite.timed()) break;
      MseScale(suite, {"per tensor", 1, 1, size}, kGrids[0], /*symmetric=*/true, 100, type);
    }
    for (const Clip& clip : kClips) {
      for (const int64_t channels : {1, 3, 16, 64, 100}) {
        if (suite.timed() && channels != 64) continue;
        LsqOfAcc(suite, size / channels, channels, clip, /*bias=*/true);
      }
      LsqOfCodes<uint8_t>(suite, size, clip, /*two=*/true);
      if (suite.timed()) break;
      LsqOfAcc(suite, size / 16, 16, clip, /*bias=*/false);
      LsqOfCodes<int8_t>(suite, size, clip, /*two=*/true);
      LsqOfCodes<uint8_t>(suite, size, clip, /*two=*/false);
    }
    for (const Layout& layout : Layouts(suite, size)) {
      for (const Grid& grid : kGrids) {
        for (const Type type : kTypes) {
          Lsq(suite, layout, grid, type, /*zero_point=*/true, /*dx=*/true);
          LsqPlus(suite, layout, grid, type);
          Pact(suite, layout, grid, type, /*is_signed=*/grid.qmin < 0);
          Tqt(suite, layout, grid, type);
          Dsq(suite, layout, grid, type);
        }
        if (suite.timed()) break;
        Lsq(suite, layout, grid, Type::kFloat, /*zero_point=*/false, /*dx=*/true);
        Lsq(suite, layout, grid, Type::kBf16, /*zero_point=*/true, /*dx=*/false);
      }
      if (suite.timed() || layout.channels > 100) continue;  // the emulator is slow at barriers
      MseScale(suite, layout, kGrids[0], /*symmetric=*/true, 10, QT_ELEMENT_F32);
      MseScale(suite, layout, kGrids[0], /*symmetric=*/true, 9, QT_ELEMENT_BF16);
      MseScale(suite, layout, kGrids[1], /*symmetric=*/false, 37, QT_ELEMENT_F32);
    }
  }
  if (suite.timed()) return;
  // Planes without an element, however many: sums of nothing, and no memory is touched.
  const Layout empty = {"7 channels, empty planes", 5, 7, 0};
  for (const Type type : kTypes) {
    Lsq(suite, empty, kGrids[0], type, /*zero_point=*/true, /*dx=*/true);
    LsqPlus(suite, empty, kGrids[0], type);
    Pact(suite, empty, kGrids[0], type, /*is_signed=*/kGrids[0].qmin < 0);
    Tqt(suite, empty, kGrids[0], type);
    Dsq(suite, empty, kGrids[0], type);
  }
}

}  // namespace qt::check
