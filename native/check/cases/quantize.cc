// Quantize, dequantize, straight-through.
#include "check/case.h"

namespace qt::check {
namespace {

struct Grid {
  const char* name;
  int32_t qmin, qmax, zero_point;
  float scale;
};
constexpr Grid kGrids[] = {
    {"s8", -127, 127, 0, 0.0173f},
    {"u8", 0, 255, 131, 0.05f},
    {"2 bits", -1, 1, 0, 0.25f},
    {"u16", 0, 65535, 7, 1.17549435e-38f},
};

void FakeQuant(Suite& suite, const Layout& layout, const Grid& grid, bool mask) {
  const int64_t n = layout.elements();
  auto& c = suite.Add("fake_quant", layout.name + ", " + grid.name + (mask ? "" : ", no mask"),
                      qt_fake_quant);
  std::vector<float> scale(layout.channels);
  std::vector<int32_t> zero_point(layout.channels);
  for (int64_t i = 0; i < layout.channels; ++i) {
    scale[i] = grid.scale * static_cast<float>(i % 8 + 1);
    zero_point[i] = i % 2 == 0 ? grid.zero_point : grid.qmax;
  }
  c.In(&c.args.x, Values(n, grid.scale, grid.qmin, grid.qmax, grid.zero_point, 17));
  c.In(&c.args.scale, scale);
  c.In(&c.args.zero_point, zero_point);
  c.Out(&c.args.y, n);
  c.MayBe(&c.args.x);
  if (mask) c.Out(&c.args.mask, (n + 7) / 8);
  c.args.outer = layout.outer;
  c.args.channels = layout.channels;
  c.args.inner = layout.inner;
  c.args.qmin = grid.qmin;
  c.args.qmax = grid.qmax;
  c.elements = n;
}

void SteBackward(Suite& suite, int64_t n) {
  auto& c = suite.Add("ste_backward", "", qt_ste_backward);
  c.In(&c.args.dy, Values(n, 0.1f, -127, 127, 0, 3));
  c.In(&c.args.mask, RandomMask(n, 5));
  c.Out(&c.args.dx, n);
  c.MayBe(&c.args.dy);
  c.args.n = n;
  c.elements = n;
}

}  // namespace

void QuantizeCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    for (const Layout& layout : Layouts(suite, size)) {
      for (const Grid& grid : kGrids) {
        FakeQuant(suite, layout, grid, /*mask=*/true);
        if (suite.timed()) break;
        if (grid.qmin == -1) FakeQuant(suite, layout, grid, /*mask=*/false);
      }
    }
    SteBackward(suite, size);
  }
}

}  // namespace qt::check
