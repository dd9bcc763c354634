// Products of codes, two by two, and gradients of convolutions.
#include <cmath>

#include "check/case.h"

namespace qt::check {
namespace {

constexpr Geometry kGeometries[] = {
    {"1x1", 1, 1, 1, 1, 0, 0, 0, 0},
    {"1x1 stride 2", 1, 1, 2, 2, 0, 0, 0, 0},
    {"3x3, padded", 3, 3, 1, 1, 1, 1, 1, 1},
    {"3x3 stride 2, padded behind", 3, 3, 2, 2, 0, 0, 1, 1},
    {"4x2 stride 1x3, padded", 4, 2, 1, 3, 2, 1, 0, 1},
};

// Random weights as qt_pair_weights leaves them.
std::vector<int8_t> Paired(int64_t k, int64_t runs, int64_t length) {
  const int64_t panels = (k + 15) / 16, pairs = (length + 1) / 2;
  std::vector<int8_t> paired = Integers<int8_t>(panels * runs * pairs * 32, -128, 127, 5);
  for (size_t at = 0; at < paired.size(); ++at) {
    const int64_t place = static_cast<int64_t>(at);
    const int64_t i = place / 32 % pairs * 2 + place % 2;
    const int64_t channel = place / 32 / pairs / runs * 16 + place / 2 % 16;
    if (i >= length || channel >= k) paired[at] = 0;
  }
  return paired;
}

void PairWeights(Suite& suite, int64_t k, int64_t runs, int64_t length) {
  auto& c = suite.Add("pair_weights",
                      std::to_string(k) + " channels of " + std::to_string(runs) + " runs of " +
                          std::to_string(length),
                      qt_pair_weights);
  c.In(&c.args.w, Integers<int8_t>(k * runs * length, -128, 127, 5));
  c.Out(&c.args.pairs, (k + 15) / 16 * 16 * runs * ((length + 1) / 2 * 2));
  c.args.k = k;
  c.args.runs = runs;
  c.args.length = length;
  c.elements = k * runs * length;
}

// What a call makes: sums, or codes of this type.
enum class To { kSums, kU8, kS8 };

void Conv2d(Suite& suite, const Geometry& g, const qt_window& w, int64_t k, bool each, int32_t type,
            To to) {
  const int64_t groups = each ? w.c : 1, output = w.n * w.p * w.q * k;
  auto& c = suite.Add("conv2d_pairs",
                      std::string(g.name) + ", " + std::to_string(w.c) + " channels" +
                          (each ? " one by one" : " to " + std::to_string(k)) +
                          (type == QT_U8 ? "" : ", s8") + (to == To::kSums ? "" : ", to codes"),
                      qt_conv2d_pairs);
  c.In(&c.args.x, Integers<uint8_t>(w.n * w.h * w.w * w.c, 0, 255, 3));
  c.In(&c.args.x_zero_point, std::vector<int32_t>{type == QT_U8 ? 131 : -5});
  c.In(&c.args.pairs, Paired(k, w.kernel_h, w.kernel_w * w.c / groups));
  c.args.window = w;
  c.args.k = k;
  c.args.groups = groups;
  c.args.x_type = type;
  c.elements = output;
  if (to == To::kSums) {
    c.Out(&c.args.acc, output);
    return;
  }
  // About two thirds of the codes are inside the grid.
  const double spread = 5000.0 * std::sqrt(static_cast<double>(w.kernel_h * w.kernel_w * w.c / groups));
  const float most = static_cast<float>(200.0 / spread);
  if (to == To::kS8) c.In(&c.args.bias, Integers<int32_t>(k, -9000, 9000, 8));
  c.In(&c.args.multiplier, Uniform(k, most / 4.0f, most, 7));
  c.In(&c.args.zero_point, std::vector<int32_t>{to == To::kU8 ? 3 : -7});
  c.OutBytes(&c.args.codes, output, 1);
  c.args.code_type = to == To::kU8 ? QT_U8 : QT_S8;
  c.args.qmin = to == To::kU8 ? 0 : -128;
  c.args.qmax = to == To::kU8 ? 250 : 127;
  c.args.relu = to == To::kU8 ? 1 : 0;
}

void BackwardWeights(Suite& suite, const Geometry& g, const qt_window& w, int64_t k,
                     int32_t dilation, int32_t type) {
  constexpr float kScale = 0.02f;
  const int64_t input = w.n * w.h * w.w * w.c, pixels = w.n * w.p * w.q;
  auto& c = suite.Add("conv2d_backward_weights",
                      std::string(g.name) + ", " + std::to_string(w.c) + " channels to " +
                          std::to_string(k) + (dilation == 1 ? "" : ", dilated") +
                          (type == QT_ELEMENT_F32 ? "" : type == QT_ELEMENT_U8 ? ", u8" : ", s8"),
                      qt_conv2d_backward_weights);
  if (type == QT_ELEMENT_F32) {
    c.In(&c.args.x, Uniform(input, -5.0f, 5.0f, 3));
  } else {
    c.In(&c.args.x, Integers<uint8_t>(input, 0, 255, 3));
    c.In(&c.args.x_scale, std::vector<float>{kScale});
    c.In(&c.args.x_zero_point, std::vector<int32_t>{type == QT_ELEMENT_U8 ? 131 : -5});
  }
  c.In(&c.args.dy, Uniform(pixels * k, -1.0f, 1.0f, 4));
  // Every addition rounds a partial sum of at most 5.1 for each pixel.
  const double count = static_cast<double>(pixels);
  c.OutSum(&c.args.dw, k * w.kernel_h * w.kernel_w * w.c, count * count * 5.1 * ldexp(1.0, -24));
  c.args.window = w;
  c.args.k = k;
  c.args.dilation_h = c.args.dilation_w = dilation;
  c.args.x_type = type;
  c.elements = pixels * k;
}

// What a kernel with holes reaches: that of a larger one, whose output has the same size.
qt_window Dilated(const Geometry& g, int32_t dilation, int64_t n, int64_t h, int64_t w, int64_t c) {
  Geometry reach = g;
  reach.kernel_h = (g.kernel_h - 1) * dilation + 1;
  reach.kernel_w = (g.kernel_w - 1) * dilation + 1;
  qt_window window = WindowOf(reach, n, h, w, c);
  window.kernel_h = g.kernel_h;
  window.kernel_w = g.kernel_w;
  return window;
}

void Timed(Suite& suite, int64_t n) {
  const Geometry &one = kGeometries[0], &three = kGeometries[2];
  PairWeights(suite, 64, n / (64 * 64), 64);
  const int64_t images = n / (56 * 56 * 64);
  Conv2d(suite, one, WindowOf(one, images, 56, 56, 64), 64, /*each=*/false, QT_U8, To::kU8);
  Conv2d(suite, three, WindowOf(three, images, 56, 56, 64), 64, /*each=*/false, QT_U8, To::kU8);
  Conv2d(suite, three, WindowOf(three, images, 56, 56, 64), 64, /*each=*/true, QT_U8, To::kU8);
  for (const int32_t type : {QT_ELEMENT_F32, QT_ELEMENT_U8}) {
    BackwardWeights(suite, three, WindowOf(three, images, 56, 56, 64), 64, /*dilation=*/1, type);
  }
}

}  // namespace

void ProductsCases(Suite& suite) {
  for (const int64_t n : suite.Sizes()) {
    if (suite.timed()) {
      Timed(suite, n);
      continue;
    }
    PairWeights(suite, 5 + n % 40, 3, 1 + n % 31);
    for (const Geometry& g : kGeometries) {
      const qt_window w = WindowOf(g, 1 + n / 900, 7, 9, 1 + n % 37);
      for (const To to : {To::kSums, To::kU8, To::kS8}) {
        const int32_t type = to == To::kU8 ? QT_U8 : QT_S8;
        Conv2d(suite, g, w, 1 + n % 35, /*each=*/false, type, to);
        Conv2d(suite, g, w, w.c, /*each=*/true, type, to);
      }
      for (const int32_t type : {QT_ELEMENT_F32, QT_ELEMENT_U8, QT_ELEMENT_S8}) {
        BackwardWeights(suite, g, w, 1 + n % 35, /*dilation=*/1, type);
        BackwardWeights(suite, g, Dilated(g, 2, 2, 7, 9, 1 + n % 19), 1 + n % 35, /*dilation=*/2,
                        type);
      }
    }
  }
  if (suite.timed()) return;
  // Several bands of an image.
  const Geometry& g = kGeometries[2];
  Conv2d(suite, g, WindowOf(g, 2, 50, 40, 33), 24, /*each=*/false, QT_U8, To::kU8);
  Conv2d(suite, g, WindowOf(g, 1, 70, 80, 40), 40, /*each=*/true, QT_S8, To::kSums);
  // More bands than groups of them, and more output channels than a slice has.
  BackwardWeights(suite, g, WindowOf(g, 35, 9, 17, 5), 41, /*dilation=*/1, QT_ELEMENT_U8);
}

}  // namespace qt::check
