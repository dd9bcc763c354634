// Products of codes: convolutions, linear layers, matrices of a batch.
#include "check/case.h"

namespace qt::check {
namespace {

const char* Name(int32_t type) { return type == QT_U8 ? "u8" : "s8"; }

struct Conv {
  const char* name;
  int64_t n, h, w, c, k, groups;
  Geometry geometry;
  int32_t dilation;
  int32_t zero_point;  // of u8; 128 less of s8
};

constexpr Geometry Square(int32_t kernel, int32_t stride, int32_t pad) {
  return {"", kernel, kernel, stride, stride, pad, pad, pad, pad};
}

// Every tile and every way to read, with rows, columns and depths that end within one.
constexpr Conv kConvs[] = {
    {"C=3", 2, 15, 13, 3, 20, 1, Square(7, 2, 3), 1, 131},
    {"C=1", 1, 9, 9, 1, 5, 1, Square(3, 1, 1), 1, 255},
    {"C=16, 16 columns", 1, 12, 13, 16, 16, 1, Square(3, 1, 1), 1, 128},
    {"C=16, 7 columns, stride 2x1", 2, 9, 11, 16, 7, 1, {"", 3, 2, 2, 1, 1, 0, 1, 1}, 1, 0},
    {"C=20", 1, 9, 10, 20, 70, 1, Square(3, 1, 1), 1, 1},
    {"C=4, dilation 3", 1, 12, 11, 4, 9, 1, Square(3, 1, 3), 3, 255},
    {"C=64, 65 columns", 1, 9, 9, 64, 65, 1, Square(3, 2, 1), 1, 128},
    {"C=64, dilation 2", 2, 8, 7, 64, 64, 1, Square(3, 1, 2), 2, 255},
    {"C=48, 1x1, stride 2", 1, 13, 11, 48, 130, 1, Square(1, 2, 0), 1, 17},
    {"C=80, 1x1, wide pads", 1, 3, 3, 80, 33, 1, Square(1, 1, 4), 1, 200},
    {"C=32, 2 groups of 16", 1, 9, 9, 32, 40, 2, Square(3, 1, 1), 1, 3},
    {"C=128, 4 groups of 32", 1, 6, 7, 128, 132, 4, Square(3, 2, 1), 1, 255},
    {"C=12, 3 groups of 4", 1, 9, 9, 12, 18, 3, Square(3, 1, 1), 2, 128},
    {"C=10, 2 groups of 5", 1, 6, 7, 10, 6, 2, Square(2, 1, 1), 1, 90},
    {"depthwise, C=32", 2, 9, 11, 32, 32, 32, Square(3, 1, 1), 1, 128},
    {"depthwise, C=36, 5x5, stride 2", 1, 11, 10, 36, 36, 36, Square(5, 2, 2), 1, 255},
    {"depthwise, C=7, dilation 2", 1, 9, 8, 7, 7, 7, Square(3, 1, 2), 2, 1},
    {"depthwise, C=6, 3 of each", 1, 7, 5, 6, 18, 6, {"", 3, 2, 1, 3, 2, 1, 0, 1}, 1, 0},
};
// Enough tiles of each shape for a large device.
constexpr Conv kLargeConvs[] = {
    {"C=16, 64 columns, many rows", 3, 107, 107, 16, 64, 1, Square(1, 1, 0), 1, 128},
    {"C=16, 250 columns, many rows", 1, 131, 131, 16, 250, 1, Square(3, 1, 1), 1, 7},
};

void Conv2d(Suite& suite, const Conv& conv, int32_t type, const std::string& variant) {
  auto& c = suite.Add("conv2d_codes", variant, qt_conv2d_codes);
  Geometry wide = conv.geometry;  // as large as it is with its gaps
  wide.kernel_h = (wide.kernel_h - 1) * conv.dilation + 1;
  wide.kernel_w = (wide.kernel_w - 1) * conv.dilation + 1;
  qt_window w = WindowOf(wide, conv.n, conv.h, conv.w, conv.c);
  w.kernel_h = conv.geometry.kernel_h;
  w.kernel_w = conv.geometry.kernel_w;
  c.In(&c.args.x, Integers<uint8_t>(w.n * w.h * w.w * w.c, 0, 255, 3));
  c.In(&c.args.x_zero_point,
       std::vector<int32_t>{type == QT_U8 ? conv.zero_point : conv.zero_point - 128});
  // Before w, so that x and acc are those that unaligned calls find displaced.
  c.Out(&c.args.acc, w.n * w.p * w.q * conv.k);
  c.In(&c.args.w, Integers<int8_t>(conv.k * w.kernel_h * w.kernel_w * conv.c / conv.groups, -128,
                                   127, 5));
  c.args.window = w;
  c.args.k = conv.k;
  c.args.groups = conv.groups;
  c.args.dilation_h = c.args.dilation_w = conv.dilation;
  c.args.code_type = type;
  c.elements = w.n * w.p * w.q * conv.k;
}

void Gemm(Suite& suite, int64_t rows, int64_t in, int64_t out, int32_t type,
          const std::string& variant) {
  auto& c = suite.Add("gemm_codes", variant, qt_gemm_codes);
  c.In(&c.args.x, Integers<uint8_t>(rows * in, 0, 255, 3));
  c.In(&c.args.x_zero_point, std::vector<int32_t>{type == QT_U8 ? 131 : -5});
  c.In(&c.args.w, Integers<int8_t>(out * in, -128, 127, 5));
  c.Out(&c.args.acc, rows * out);
  c.args.rows = rows;
  c.args.in = in;
  c.args.out = out;
  c.args.code_type = type;
  c.elements = rows * out;
}

void Matmul(Suite& suite, int64_t pairs, int64_t rows, int64_t in, int64_t out, int32_t type,
            const std::string& variant) {
  auto& c = suite.Add("matmul_codes", variant, qt_matmul_codes);
  c.In(&c.args.a, Integers<uint8_t>(pairs * rows * in, 0, 255, 3));
  c.In(&c.args.a_zero_point, std::vector<int32_t>{type == QT_U8 ? 131 : -5});
  c.In(&c.args.b, Integers<uint8_t>(pairs * in * out, 0, 255, 5));
  c.In(&c.args.b_zero_point, std::vector<int32_t>{type == QT_U8 ? 7 : 100});
  c.Out(&c.args.acc, pairs * rows * out);
  c.args.pairs = pairs;
  c.args.rows = rows;
  c.args.in = in;
  c.args.out = out;
  c.args.code_type = type;
  c.elements = pairs * rows * out;
}

std::vector<int32_t> Wrapped(int64_t product, int64_t count) {
  const int32_t sum = static_cast<int32_t>(product * count);
  return Integers<int32_t>(1, sum, sum, 0);
}

// The largest products of one sign, more of them than 31 bits hold.
void Wrapping(Suite& suite) {
  auto& gemm = suite.Add("gemm_codes", "u8, sums beyond 31 bits", qt_gemm_codes);
  const int64_t depth = 66000;
  gemm.In(&gemm.args.x, std::vector<uint8_t>(depth, 255));
  gemm.In(&gemm.args.x_zero_point, std::vector<int32_t>{0});
  gemm.In(&gemm.args.w, std::vector<int8_t>(depth, -128));
  gemm.Out(&gemm.args.acc, 1);
  gemm.Expect(Wrapped(-255 * 128, depth));
  gemm.args.rows = gemm.args.out = 1;
  gemm.args.in = depth;
  gemm.args.code_type = QT_U8;

  auto& matmul = suite.Add("matmul_codes", "s8, sums beyond 31 bits", qt_matmul_codes);
  const int64_t shared = 34000;
  matmul.In(&matmul.args.a, std::vector<int8_t>(shared, 127));
  matmul.In(&matmul.args.a_zero_point, std::vector<int32_t>{-128});
  matmul.In(&matmul.args.b, std::vector<int8_t>(shared, -128));
  matmul.In(&matmul.args.b_zero_point, std::vector<int32_t>{127});
  matmul.Out(&matmul.args.acc, 1);
  matmul.Expect(Wrapped(-255 * 255, shared));
  matmul.args.pairs = matmul.args.rows = matmul.args.out = 1;
  matmul.args.in = shared;
  matmul.args.code_type = QT_S8;
}

// Layers of networks at batch 128, where `n` is 2^25.
void Timed(Suite& suite, int64_t n) {
  const int64_t batch = std::max<int64_t>(1, n >> 18);
  const Conv layers[] = {
      {"7x7 stride 2, 3 to 64, 224 x 224", batch, 224, 224, 3, 64, 1, Square(7, 2, 3), 1, 114},
      {"1x1, 64 to 256, 56 x 56", batch, 56, 56, 64, 256, 1, Square(1, 1, 0), 1, 0},
      {"1x1, 256 to 64, 56 x 56", batch, 56, 56, 256, 64, 1, Square(1, 1, 0), 1, 0},
      {"3x3, 64 to 64, 56 x 56", batch, 56, 56, 64, 64, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 128 to 128, 28 x 28", batch, 28, 28, 128, 128, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 256 to 256, 14 x 14", batch, 14, 14, 256, 256, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 512 to 512, 7 x 7", batch, 7, 7, 512, 512, 1, Square(3, 1, 1), 1, 0},
      {"1x1, 2048 to 512, 7 x 7", batch, 7, 7, 2048, 512, 1, Square(1, 1, 0), 1, 0},
      {"3x3, 3 to 16, 32 x 32", batch, 32, 32, 3, 16, 1, Square(3, 1, 1), 1, 121},
      {"3x3, 16 to 16, 32 x 32", batch, 32, 32, 16, 16, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 32 to 32, 16 x 16", batch, 16, 16, 32, 32, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 64 to 64, 8 x 8", batch, 8, 8, 64, 64, 1, Square(3, 1, 1), 1, 0},
      {"3x3, 96 depthwise, 112 x 112", batch, 112, 112, 96, 96, 96, Square(3, 1, 1), 1, 0},
  };
  for (const Conv& layer : layers) Conv2d(suite, layer, QT_U8, layer.name);
  Gemm(suite, batch, 2048, 1000, QT_U8, "2048 to 1000");
  Matmul(suite, 12 * batch, 197, 64, 197, QT_S8, "197 x 64 x 197");
}

}  // namespace

void CodeProductsCases(Suite& suite) {
  if (suite.timed()) {
    if (Suite::on_device) Timed(suite, suite.Sizes()[0]);
    return;
  }
  for (const int32_t type : {QT_U8, QT_S8}) {
    const std::string codes = Name(type);
    for (const Conv& conv : kConvs) Conv2d(suite, conv, type, conv.name + (", " + codes));
    for (const int64_t n : suite.Sizes()) {
      Gemm(suite, n / 64 + 1, n % 97 + 1, 5, type, codes);
      Matmul(suite, 3, n / 256 + 1, n % 97 + 1, 5, type, codes);
    }
    Gemm(suite, 130, 208, 70, type, codes + ", 130 x 208 x 70");
    Gemm(suite, 3, 36, 33, type, codes + ", 3 x 36 x 33");
    Gemm(suite, 1, 0, 3, type, codes + ", no products");
    Matmul(suite, 2, 131, 80, 68, type, codes + ", 131 x 80 x 68");
    Matmul(suite, 3, 5, 16, 130, type, codes + ", 5 x 16 x 130");
    Matmul(suite, 2, 3, 300, 4, type, codes + ", 3 x 300 x 4");
  }
  Wrapping(suite);
  for (const Conv& conv : kLargeConvs) {
    if (!Suite::brief) Conv2d(suite, conv, QT_U8, conv.name);
  }
}

}  // namespace qt::check
