// The fused epilogue. Its outputs must also be those of the kernels that it fuses.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

struct Clip {
  const char* name;
  float lower, upper;
};
constexpr Clip kClips[] = {
    {"ReLU", 0.0f, INFINITY}, {"ReLU6", 0.0f, 6.0f}, {"no clip", -INFINITY, INFINITY}};

constexpr float kYScale = 0.031f;

struct Grid {
  int32_t code_type, qmin, qmax, zero_point;
};
constexpr Grid kU8 = {QT_U8, 0, 255, 37}, kS8 = {QT_S8, -127, 127, -5};

// Clears the bits of elements for which keep is false.
template <class Keep>
void AndMask(std::vector<uint8_t>* mask, int64_t n, Keep keep) {
  for (int64_t i = 0; i < n; ++i) {
    if (!keep(i)) (*mask)[i / 8] &= static_cast<uint8_t>(~(1u << (i % 8)));
  }
}

struct Parts {
  std::vector<uint8_t> codes, mask;
  std::vector<float> real;
  std::vector<float> min = {0.0f}, max = {0.0f};
  std::vector<int64_t> nans = {0};
};

// multiplier, requantize with the clip's upper end as the grid's, acc_stats, acc_range.
Parts PartsOfAcc(const std::vector<int32_t>& acc, const std::vector<int32_t>& bias,
                 const std::vector<int32_t>& keep, const std::vector<float>& out_scale,
                 const Clip& clip, const Grid& grid, int64_t rows, int64_t channels) {
  const int64_t n = rows * channels;
  Parts parts;
  parts.codes.resize(n);
  parts.mask.resize((n + 7) / 8);
  std::vector<float> multiplier(channels), real(n);
  qt_multiplier_args m = {};
  m.out_scale = out_scale.data();
  m.y_scale = &kYScale;
  m.multiplier = multiplier.data();
  m.channels = channels;
  Run(qt_multiplier, m);
  qt_requantize_args r = {};
  r.acc = acc.data();
  r.bias = bias.data();
  r.keep = keep.data();
  r.multiplier = multiplier.data();
  r.zero_point = &grid.zero_point;
  r.codes = parts.codes.data();
  r.mask = parts.mask.data();
  r.rows = rows;
  r.channels = channels;
  r.qmin = grid.qmin;
  r.qmax = fmin(grid.qmax, rint(clip.upper / kYScale) + grid.zero_point);
  r.relu = clip.lower == 0.0f ? 1 : 0;
  r.code_type = grid.code_type;
  Run(qt_requantize, r);
  qt_dequantize_acc_args d = {};
  d.acc = acc.data();
  d.bias = bias.data();
  d.keep = keep.data();
  d.out_scale = out_scale.data();
  d.y = real.data();
  d.rows = rows;
  d.channels = channels;
  Run(qt_dequantize_acc, d);
  AndMask(&parts.mask, n, [&](int64_t i) { return real[i] < clip.upper; });
  std::vector<int64_t> sum(channels), squares(2 * channels);
  std::vector<int32_t> least(channels), most(channels);
  qt_acc_stats_args s = {};
  s.acc = acc.data();
  s.sum = sum.data();
  s.sum_squares = squares.data();
  s.min = least.data();
  s.max = most.data();
  s.rows = rows;
  s.channels = channels;
  Run(qt_acc_stats, s);
  qt_acc_range_args e = {};
  e.acc_min = least.data();
  e.acc_max = most.data();
  e.out_scale = out_scale.data();
  e.bias = bias.data();
  e.keep = keep.data();
  e.min = parts.min.data();
  e.max = parts.max.data();
  e.channels = channels;
  e.relu = r.relu;
  e.upper = clip.upper;
  Run(qt_acc_range, e);
  return parts;
}

void OfAcc(Suite& suite, int64_t rows, int64_t channels, const Clip& clip, const Grid& grid,
           bool all) {
  auto& c = suite.Add("epilogue", std::to_string(channels) + " channels, " + clip.name +
                                      (all ? "" : ", codes only"),
                      qt_epilogue);
  const int64_t n = rows * channels;
  // Real values from -10 to 20: past both ends of the grids, ties among them (0.5 * kYScale).
  const std::vector<int32_t> acc = Integers<int32_t>(n, -640, 1280, 1);
  const std::vector<int32_t> bias = Integers<int32_t>(channels, -100, 100, 2);
  const std::vector<int32_t> keep = Integers<int32_t>(channels, 0, 1, 3);
  std::vector<float> out_scale = Uniform(channels, 0.005f, 0.0155f, 4);
  for (int64_t i = 0; i < channels; i += 2) out_scale[i] = 0.5f * kYScale;
  c.In(&c.args.acc, acc);
  c.In(&c.args.bias, bias);
  c.In(&c.args.keep, keep);
  c.In(&c.args.out_scale, out_scale);
  c.In(&c.args.y_scale, std::vector<float>{kYScale});
  c.In(&c.args.y_zero_point, std::vector<int32_t>{grid.zero_point});
  Parts parts;
  if (!suite.timed()) {
    parts = PartsOfAcc(acc, bias, keep, out_scale, clip, grid, rows, channels);
  }
  c.OutBytes(&c.args.codes, n, 1);
  c.Expect(parts.codes);
  if (all) {
    c.Out(&c.args.mask, (n + 7) / 8);
    c.Expect(parts.mask);
    c.Out(&c.args.min, 1);
    if (!suite.timed()) c.Expect(parts.min);
    c.Out(&c.args.max, 1);
    if (!suite.timed()) c.Expect(parts.max);
  }
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.lower = clip.lower;
  c.args.upper = clip.upper;
  c.args.qmin = grid.qmin;
  c.args.qmax = grid.qmax;
  c.args.code_type = grid.code_type;
  c.elements = n;
}

// A product, add_bias, relu, min_max, quantize, fake_quant.
Parts PartsOfReal(const std::vector<float>& x, const std::vector<float>& correction,
                  const std::vector<float>& bias, const Clip& clip, const Grid& grid, int64_t rows,
                  int64_t channels) {
  const int64_t n = rows * channels;
  Parts parts;
  parts.codes.resize(n);
  parts.mask.resize((n + 7) / 8);
  parts.real.resize(n);
  std::vector<float> v(n);
  for (int64_t i = 0; i < n; ++i) v[i] = x[i] * correction[i % channels];
  qt_add_bias_args b = {};
  b.x = v.data();
  b.bias = bias.data();
  b.y = v.data();
  b.rows = rows;
  b.channels = channels;
  Run(qt_add_bias, b);
  std::vector<float> y = v;
  if (clip.lower == 0.0f) {
    qt_relu_args r = {};
    r.x = y.data();
    r.y = y.data();
    r.n = n;
    r.upper = clip.upper;
    Run(qt_relu, r);
  }
  qt_min_max_args e = {};
  e.x = y.data();
  e.min = parts.min.data();
  e.max = parts.max.data();
  e.nans = parts.nans.data();
  e.outer = e.channels = 1;
  e.inner = n;
  Run(qt_min_max, e);
  qt_quantize_args q = {};
  q.x = y.data();
  q.scale = &kYScale;
  q.zero_point = &grid.zero_point;
  q.codes = parts.codes.data();
  q.mask = parts.mask.data();
  q.outer = q.channels = 1;
  q.inner = n;
  q.qmin = grid.qmin;
  q.qmax = grid.qmax;
  q.code_type = grid.code_type;
  Run(qt_quantize, q);
  AndMask(&parts.mask, n, [&](int64_t i) { return v[i] > clip.lower && v[i] < clip.upper; });
  qt_fake_quant_args f = {};
  f.x = y.data();
  f.scale = &kYScale;
  f.zero_point = &grid.zero_point;
  f.y = parts.real.data();
  f.outer = f.channels = 1;
  f.inner = n;
  f.qmin = grid.qmin;
  f.qmax = grid.qmax;
  Run(qt_fake_quant, f);
  return parts;
}

enum class Out { kCodes, kReal, kAll };
constexpr const char* kOutNames[] = {", to codes", ", fake-quantized", ", everything"};

void OfReal(Suite& suite, int64_t rows, int64_t channels, const Clip& clip, const Grid& grid,
            Out out, bool bf16) {
  auto& c = suite.Add("epilogue_f32", std::to_string(channels) + " channels, " + clip.name +
                                          kOutNames[static_cast<int>(out)] +
                                          (bf16 ? ", bf16" : ""),
                      qt_epilogue_f32);
  const int64_t n = rows * channels;
  std::vector<float> x = Values(n, kYScale, grid.qmin, grid.qmax, grid.zero_point, 11);
  std::vector<float> correction = Uniform(channels, 0.5f, 2.0f, 12);
  std::vector<float> bias = Uniform(channels, -1.0f, 1.0f, 13);
  for (int64_t i = 0; i < channels; i += 2) {  // ties reach the rounding
    correction[i] = 1.0f;
    bias[i] = 0.0f;
  }
  const int32_t type = bf16 ? QT_ELEMENT_BF16 : QT_ELEMENT_F32;
  c.RealIn(&c.args.x, type, x);
  if (bf16) x = FromBf16(ToBf16(x));
  c.In(&c.args.correction, correction);
  c.In(&c.args.bias, bias);
  c.In(&c.args.y_scale, std::vector<float>{kYScale});
  c.In(&c.args.y_zero_point, std::vector<int32_t>{grid.zero_point});
  Parts parts;
  if (!suite.timed()) parts = PartsOfReal(x, correction, bias, clip, grid, rows, channels);
  if (out != Out::kReal) {
    c.OutBytes(&c.args.codes, n, 1);
    c.Expect(parts.codes);
  }
  if (out != Out::kCodes) {
    c.RealOut(&c.args.y, type, n);
    if (bf16) {
      c.Expect(ToBf16(parts.real));
    } else {
      c.Expect(parts.real);
    }
    c.MayBe(&c.args.x);
  }
  c.Out(&c.args.mask, (n + 7) / 8);
  c.Expect(parts.mask);
  if (out == Out::kAll) {
    c.Out(&c.args.min, 1);
    if (!suite.timed()) c.Expect(parts.min);
    c.Out(&c.args.max, 1);
    if (!suite.timed()) c.Expect(parts.max);
    c.Out(&c.args.nans, 1);
    if (!suite.timed()) c.Expect(parts.nans);
  }
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.lower = clip.lower;
  c.args.upper = clip.upper;
  c.args.qmin = grid.qmin;
  c.args.qmax = grid.qmax;
  c.args.code_type = grid.code_type;
  c.args.element_type = type;
  c.elements = n;
}

// |a - b| of two sums of `terms` values of at most 1, each at most 600 roundings deep.
double SumBound(int64_t terms) { return 600.0 * ldexp(1.0, -24) * static_cast<double>(terms); }

// What both backward kernels have in common; adds the outputs last.
template <class C>
void Gradient(C* c, int64_t rows, int64_t channels, bool mask, bool correction, bool bf16) {
  const int64_t n = rows * channels;
  const int32_t type = bf16 ? QT_ELEMENT_BF16 : QT_ELEMENT_F32;
  c->RealIn(&c->args.dy, type, Uniform(n, -1.0f, 1.0f, 21));
  if (mask) c->In(&c->args.mask, RandomMask(n, 22));
  if (correction) c->In(&c->args.correction, Uniform(channels, 0.5f, 2.0f, 23));
  c->RealOut(&c->args.dx, type, n);
  c->MayBe(&c->args.dy);
  c->OutSum(&c->args.dbias, channels, SumBound(rows));
  if (correction) c->OutSum(&c->args.dcorrection, channels, SumBound(rows));
  c->args.rows = rows;
  c->args.channels = channels;
  c->args.element_type = type;
  c->elements = n;
}

std::string GradientName(int64_t channels, bool mask, bool correction, bool bf16) {
  return std::to_string(channels) + " channels" + (mask ? "" : ", no mask") +
         (correction ? "" : ", no correction") + (bf16 ? ", bf16" : "");
}

void AccGradient(Suite& suite, int64_t rows, int64_t channels, bool mask, bool correction,
                 bool bf16) {
  auto& c = suite.Add("epilogue_backward", GradientName(channels, mask, correction, bf16),
                      qt_epilogue_backward);
  if (correction) {
    c.In(&c.args.acc, Integers<int32_t>(rows * channels, -1000, 1000, 24));
    c.In(&c.args.unit, Uniform(channels, 0.0005f, 0.001f, 25));
  }
  Gradient(&c, rows, channels, mask, correction, bf16);
}

void RealGradient(Suite& suite, int64_t rows, int64_t channels, bool mask, bool correction,
                  bool bf16) {
  auto& c = suite.Add("epilogue_f32_backward", GradientName(channels, mask, correction, bf16),
                      qt_epilogue_f32_backward);
  if (correction) {
    c.RealIn(&c.args.x, bf16 ? QT_ELEMENT_BF16 : QT_ELEMENT_F32,
             Uniform(rows * channels, -1.0f, 1.0f, 26));
  }
  Gradient(&c, rows, channels, mask, correction, bf16);
}

}  // namespace

void EpilogueCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    if (suite.timed()) {
      const int64_t rows = size / 64;
      OfAcc(suite, rows, 64, kClips[0], kU8, /*all=*/true);
      for (const bool bf16 : {false, true}) {
        OfReal(suite, rows, 64, kClips[0], kU8, Out::kCodes, bf16);
        OfReal(suite, rows, 64, kClips[0], kU8, Out::kReal, bf16);
        AccGradient(suite, rows, 64, /*mask=*/true, /*correction=*/true, bf16);
        RealGradient(suite, rows, 64, /*mask=*/true, /*correction=*/true, bf16);
      }
      OfReal(suite, rows, 64, kClips[0], kU8, Out::kAll, /*bf16=*/false);
      AccGradient(suite, rows, 64, /*mask=*/true, /*correction=*/false, /*bf16=*/false);
      continue;
    }
    for (const int64_t channels : {1, 3, 70, 300}) {
      const int64_t rows = (size + channels - 1) / channels;
      for (const Clip& clip : kClips) {
        OfAcc(suite, rows, channels, clip, kU8, /*all=*/true);
        OfReal(suite, rows, channels, clip, kS8, Out::kAll, /*bf16=*/false);
      }
      OfAcc(suite, rows, channels, kClips[0], kS8, /*all=*/true);
      OfAcc(suite, rows, channels, kClips[1], kS8, /*all=*/false);
      OfReal(suite, rows, channels, kClips[1], kU8, Out::kCodes, /*bf16=*/false);
      OfReal(suite, rows, channels, kClips[0], kU8, Out::kReal, /*bf16=*/true);
      for (const bool bf16 : {false, true}) {
        AccGradient(suite, rows, channels, /*mask=*/true, /*correction=*/true, bf16);
        RealGradient(suite, rows, channels, /*mask=*/true, /*correction=*/true, bf16);
      }
      AccGradient(suite, rows, channels, /*mask=*/false, /*correction=*/true, /*bf16=*/false);
      AccGradient(suite, rows, channels, /*mask=*/true, /*correction=*/false, /*bf16=*/false);
      RealGradient(suite, rows, channels, /*mask=*/false, /*correction=*/false, /*bf16=*/false);
    }
  }
}

}  // namespace qt::check
