// Float layers: batch norm, elementwise, pooling, transpose.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

// Values that a layer must get through in the way it says: both zeros, denormals, large ones.
Data<float> Ordinary(int64_t n, uint32_t seed) {
  return Values(n, 0.03f, -127, 127, 0, seed, /*finite=*/true);
}

// Rows of a tensor of about n elements; 64 channels where it is timed.
struct Rows {
  int64_t rows, channels;
  std::string name() const { return std::to_string(channels) + " channels"; }
  int64_t elements() const { return rows * channels; }
};

std::vector<Rows> RowsOf(const Suite& suite, int64_t n) {
  if (suite.timed()) return {{n / 64, 64}};
  std::vector<Rows> shapes;
  for (const int64_t channels : {1, 3, 16, 70, 300, 1028}) {
    shapes.push_back({(n + channels - 1) / channels, channels});
  }
  return shapes;
}

// Two double sums of `terms` numbers of at most `largest` in any order differ by 2^-52 * terms^2 *
// largest; each is rounded to float once, to 2^-24 of a result of at most terms * largest.
double SumBound(int64_t terms, double largest) {
  const double count = static_cast<double>(terms);
  return count * largest * (ldexp(1.0, -23) + ldexp(count, -52));
}

void Elementwise(Suite& suite, int64_t n, int32_t real) {
  for (const float upper : {INFINITY, 6.0f}) {
    const std::string variant = InType(upper == 6.0f ? "relu6" : "", real);
    auto& forward = suite.Add("relu", variant, qt_relu);
    forward.RealIn(&forward.args.x, real, Values(n, 0.1f, -127, 127, 0, 3));
    forward.RealOut(&forward.args.y, real, n);
    forward.MayBe(&forward.args.x);
    forward.args.n = n;
    forward.args.upper = upper;
    forward.args.element_type = real;
    forward.elements = n;

    auto& backward = suite.Add("relu_backward", variant, qt_relu_backward);
    backward.RealIn(&backward.args.y, real, Values(n, 0.1f, 0, 60, 0, 4));
    backward.RealIn(&backward.args.dy, real, Values(n, 0.1f, -127, 127, 0, 5));
    backward.RealOut(&backward.args.dx, real, n);
    backward.MayBe(&backward.args.dy);
    backward.args.n = n;
    backward.args.upper = upper;
    backward.args.element_type = real;
    backward.elements = n;
    if (suite.timed()) break;
  }
  auto& forward = suite.Add("leaky_relu", InType("", real), qt_leaky_relu);
  forward.RealIn(&forward.args.x, real, Values(n, 0.1f, -127, 127, 0, 3));
  forward.RealOut(&forward.args.y, real, n);
  forward.MayBe(&forward.args.x);
  forward.args.n = n;
  forward.args.slope = 0.01f;
  forward.args.element_type = real;
  forward.elements = n;

  for (const bool in_x : {false, true}) {
    auto& c = suite.Add("leaky_relu_backward", InType(in_x ? "in place of x" : "", real),
                        qt_leaky_relu_backward);
    c.RealIn(&c.args.x, real, Values(n, 0.1f, -127, 127, 0, 4));
    c.RealIn(&c.args.dy, real, Values(n, 0.1f, -127, 127, 0, 5));
    c.RealOut(&c.args.dx, real, n);
    if (in_x) {
      c.MayBe(&c.args.x);
    } else {
      c.MayBe(&c.args.dy);
    }
    c.args.n = n;
    c.args.slope = 0.01f;
    c.args.element_type = real;
    c.elements = n;
    if (suite.timed()) break;
  }

  for (const bool in_b : {false, true}) {
    auto& c = suite.Add("add", InType(in_b ? "in place of b" : "", real), qt_add);
    c.RealIn(&c.args.a, real, Ordinary(n, 6));
    c.RealIn(&c.args.b, real, Ordinary(n, 7));
    c.RealOut(&c.args.y, real, n);
    if (in_b) {
      c.MayBe(&c.args.b);
    } else {
      c.MayBe(&c.args.a);
    }
    c.args.n = n;
    c.args.element_type = real;
    c.elements = n;
    if (suite.timed()) break;
  }
}

void AddBias(Suite& suite, const Rows& shape, int32_t type) {
  auto& c = suite.Add("add_bias", shape.name() + TypeName(type), qt_add_bias);
  c.RealIn(&c.args.x, type, Ordinary(shape.elements(), 8));
  c.In(&c.args.bias, Uniform(shape.channels, -2.0f, 2.0f, 9));
  c.RealOut(&c.args.y, type, shape.elements());
  c.MayBe(&c.args.x);
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.element_type = type;
  c.elements = shape.elements();
}

void ChannelSum(Suite& suite, const Rows& shape, bool mask, int32_t type) {
  auto& c = suite.Add("channel_sum", shape.name() + (mask ? ", mask" : "") + TypeName(type),
                      qt_channel_sum);
  c.RealIn(&c.args.x, type, Uniform(shape.elements(), -3.0f, 3.0f, 10));
  if (mask) c.In(&c.args.mask, RandomMask(shape.elements(), 11));
  c.OutSum(&c.args.sum, shape.channels, SumBound(shape.rows, 3.0));
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.element_type = type;
  c.elements = shape.elements();
}

// Far from 0 in units of the deviation, as a layer without bias never is: where sums of squares that
// are not shifted lose everything. (As far as bf16 still tells the numbers apart.)
float OffsetOf(int32_t type) { return type == QT_ELEMENT_BF16 ? 16.0f : 1000.0f; }

void BatchNormStats(Suite& suite, const Rows& shape, bool running, int32_t type) {
  auto& c = suite.Add("batch_norm_stats",
                      shape.name() + (running ? ", running" : "") + TypeName(type),
                      qt_batch_norm_stats);
  const float offset = OffsetOf(type);
  c.RealIn(&c.args.x, type, Uniform(shape.elements(), offset - 1.0f, offset + 1.0f, 12));
  // Each moment is within a unit in the last place on both sides (math/layers.h); then the moving
  // average rounds three more times.
  const double mean_ulp = ldexp(offset, -23), var_ulp = ldexp(1.0, -23);
  c.OutSum(&c.args.mean, shape.channels, 2.0 * mean_ulp);
  c.OutSum(&c.args.var, shape.channels, 2.0 * var_ulp);
  if (running) {
    c.InOutSum(&c.args.running_mean, Uniform(shape.channels, -1.0f, 1.0f, 13), 4.0 * mean_ulp);
    c.InOutSum(&c.args.running_var, Uniform(shape.channels, 0.5f, 1.5f, 14), 4.0 * var_ulp);
  }
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.momentum = 0.1f;
  c.args.element_type = type;
  c.elements = shape.elements();
}

void BatchNorm(Suite& suite, const Rows& shape, int32_t type) {
  auto& c = suite.Add("batch_norm", shape.name() + TypeName(type), qt_batch_norm);
  std::vector<float> var = Uniform(shape.channels, 0.1f, 2.0f, 16);
  var[0] = 0.0f;
  c.RealIn(&c.args.x, type, Ordinary(shape.elements(), 15));
  c.In(&c.args.mean, Uniform(shape.channels, -1.0f, 1.0f, 17));
  c.In(&c.args.var, var);
  c.In(&c.args.gamma, Uniform(shape.channels, -1.5f, 1.5f, 18));
  c.In(&c.args.beta, Uniform(shape.channels, -1.0f, 1.0f, 19));
  c.RealOut(&c.args.y, type, shape.elements());
  c.MayBe(&c.args.x);
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.epsilon = 1e-5f;
  c.args.element_type = type;
  c.elements = shape.elements();
}

void BatchNormBackward(Suite& suite, const Rows& shape, bool frozen, int32_t type,
                       Sums sums = Sums::kOwn) {
  auto& c = suite.Add("batch_norm_backward",
                      shape.name() + (frozen ? ", frozen" : "") +
                          kSumsNames[static_cast<int>(sums)] + TypeName(type),
                      qt_batch_norm_backward);
  c.RealIn(&c.args.x, type, Uniform(shape.elements(), -2.0f, 2.0f, 20));
  c.RealIn(&c.args.dy, type, Uniform(shape.elements(), -1.0f, 1.0f, 21));
  c.In(&c.args.mean, Uniform(shape.channels, -0.5f, 0.5f, 22));
  c.In(&c.args.var, Uniform(shape.channels, 0.25f, 2.0f, 23));
  c.In(&c.args.gamma, Uniform(shape.channels, -1.5f, 1.5f, 24));
  // |x_hat| <= 2.5 / 0.5, |gamma / std| <= 3, |mean(dy)| <= 1, |mean(dy * x_hat)| <= 5: a unit in the
  // last place of the sums moves dx by 3 * (1 + 5 * 5) units of 2^-23, and three roundings follow.
  const double largest = 4.0 * 3.0 * 26.0 * ldexp(1.0, -23);
  const bool given = sums == Sums::kGiven;
  if (frozen || given) {
    c.RealOut(&c.args.dx, type, shape.elements());
    c.MayBe(&c.args.dy);
  } else if (sums == Sums::kOwn) {
    c.RealOutSum(&c.args.dx, type, shape.elements(), largest);
    c.MayBe(&c.args.dy);
  }
  if (given) {
    c.args.sum_rows = 3 * shape.rows;
    c.In(&c.args.dgamma, Uniform(shape.channels, -9.0f, 9.0f, 25));
    c.In(&c.args.dbeta, Uniform(shape.channels, -9.0f, 9.0f, 26));
  } else {
    c.OutSum(&c.args.dgamma, shape.channels, SumBound(shape.rows, 5.0));
    c.OutSum(&c.args.dbeta, shape.channels, SumBound(shape.rows, 1.0));
  }
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.epsilon = 1e-5f;
  c.args.frozen = frozen ? 1 : 0;
  c.args.element_type = type;
  c.elements = shape.elements();
}

// A pooling window; the output's size follows.
struct Window {
  const char* name;
  int64_t h, w;
  int32_t kernel, stride, pad;
  // The last windows end in the padding.
  bool ceil;

  qt_window Of(int64_t n, int64_t channels) const {
    qt_window of = {};
    of.n = n;
    of.h = h;
    of.w = w;
    of.c = channels;
    of.p = (h + 2 * pad - kernel + (ceil ? stride - 1 : 0)) / stride + 1;
    of.q = (w + 2 * pad - kernel + (ceil ? stride - 1 : 0)) / stride + 1;
    of.kernel_h = of.kernel_w = kernel;
    of.stride_h = of.stride_w = stride;
    of.pad_top = of.pad_left = pad;
    return of;
  }
};

constexpr Window kWindows[] = {
    {"2x2", 6, 8, 2, 2, 0, false},           {"3x3, stride 2, padded", 7, 5, 3, 2, 1, false},
    {"3x3, stride 1, padded", 5, 4, 3, 1, 1, false}, {"2x2, stride 3", 8, 7, 2, 3, 0, false},
    {"3x3, stride 2, ceil", 8, 6, 3, 2, 1, true},    {"7x7, whole", 7, 7, 7, 1, 0, false},
};
constexpr Window kTimedWindow = {"2x2", 64, 64, 2, 2, 0, false};

int64_t Inputs(const qt_window& w) { return w.n * w.h * w.w * w.c; }
int64_t Outputs(const qt_window& w) { return w.n * w.p * w.q * w.c; }

// add gives it its input and output.
template <class Add>
void MaxPoolOf(Suite& suite, const std::string& name, const qt_window& w, int32_t type,
               bool argmax, Add add) {
  auto& c = suite.Add("max_pool", name + (argmax ? "" : ", no argmax"), qt_max_pool);
  add(&c);
  if (argmax) c.Out(&c.args.argmax, Outputs(w));
  c.args.window = w;
  c.args.element_type = type;
  c.elements = Inputs(w);
}

void MaxPool(Suite& suite, const std::string& name, const qt_window& w, int32_t type,
             bool argmax) {
  MaxPoolOf(suite, name + TypeName(type), w, type, argmax, [&](auto* c) {
    c->RealIn(&c->args.x, type, Values(Inputs(w), 0.1f, -12, 12, 0, 25));
    c->RealOut(&c->args.y, type, Outputs(w));
  });
}

template <class Code>
void MaxPool(Suite& suite, const std::string& name, const qt_window& w, const Data<Code>& x,
             int32_t type, bool argmax) {
  MaxPoolOf(suite, name, w, type, argmax, [&](auto* c) {
    c->In(&c->args.x, x);
    c->OutBytes(&c->args.y, Outputs(w), 1);
  });
}

void MaxPoolBackward(Suite& suite, const std::string& name, const qt_window& w, int32_t type) {
  auto& c = suite.Add("max_pool_backward", name + TypeName(type), qt_max_pool_backward);
  c.RealIn(&c.args.dy, type, Ordinary(Outputs(w), 26));
  c.In(&c.args.argmax,
       Integers<uint8_t>(Outputs(w), 0, int64_t{w.kernel_h} * w.kernel_w - 1, 27));
  c.RealOut(&c.args.dx, type, Inputs(w));
  c.args.window = w;
  c.args.element_type = type;
  c.elements = Inputs(w);
}

void AveragePool(Suite& suite, const std::string& name, const qt_window& w, bool count_padding,
                 int32_t type) {
  auto& forward = suite.Add("average_pool", name + TypeName(type), qt_average_pool);
  forward.RealIn(&forward.args.x, type, Ordinary(Inputs(w), 28));
  forward.RealOut(&forward.args.y, type, Outputs(w));
  forward.args.window = w;
  forward.args.count_padding = count_padding ? 1 : 0;
  forward.args.element_type = type;
  forward.elements = Inputs(w);

  auto& backward = suite.Add("average_pool_backward", name + TypeName(type),
                             qt_average_pool_backward);
  backward.RealIn(&backward.args.dy, type, Ordinary(Outputs(w), 29));
  backward.RealOut(&backward.args.dx, type, Inputs(w));
  backward.args.window = w;
  backward.args.count_padding = count_padding ? 1 : 0;
  backward.args.element_type = type;
  backward.elements = Inputs(w);
}

void Pools(Suite& suite, const Window& window, int64_t n, int64_t channels) {
  const qt_window w = window.Of(n, channels);
  const std::string name =
      std::string(window.name) + ", " + std::to_string(channels) + " channels";
  const int64_t inputs = Inputs(w);
  for (const bool argmax : {true, false}) {
    MaxPool(suite, name, w, QT_ELEMENT_F32, argmax);
    if (suite.timed() && !argmax) break;
    MaxPool(suite, name, w, QT_ELEMENT_BF16, argmax);
    MaxPool<uint8_t>(suite, name + ", u8", w, Integers<uint8_t>(inputs, 0, 255, 25), QT_ELEMENT_U8,
                     argmax);
    if (suite.timed()) continue;
    MaxPool<int8_t>(suite, name + ", s8", w, Integers<int8_t>(inputs, -128, -120, 25), QT_ELEMENT_S8,
                    argmax);
  }
  for (const int32_t type : kReals) {
    MaxPoolBackward(suite, name, w, type);
    AveragePool(suite, name, w, /*count_padding=*/false, type);
    if (suite.timed()) continue;
    AveragePool(suite, name + ", padding counts", w, /*count_padding=*/true, type);
  }
}

template <class T>
void Transpose(Suite& suite, int64_t n, int64_t h, int64_t w, int64_t channels, bool to_nchw) {
  const int64_t elements = n * h * w * channels;
  auto& c = suite.Add("transpose",
                      std::to_string(h * w) + " pixels, " + std::to_string(channels) +
                          " channels, " + std::to_string(sizeof(T)) + " bytes" +
                          (to_nchw ? "" : ", back"),
                      qt_transpose);
  c.In(&c.args.x, Integers<T>(elements, 0, 255, 30));
  c.OutBytes(&c.args.y, elements * static_cast<int64_t>(sizeof(T)), alignof(T));
  c.args.n = n;
  c.args.h = h;
  c.args.w = w;
  c.args.c = channels;
  c.args.element_bytes = static_cast<int32_t>(sizeof(T));
  c.args.to_nchw = to_nchw ? 1 : 0;
  c.elements = elements;
}

void Transposes(Suite& suite) {
  struct Shape {
    int64_t n, h, w, channels;
  };
  for (const Shape& s : {Shape{3, 1, 1, 1}, {2, 4, 4, 64}, {1, 7, 9, 70}, {2, 13, 5, 3},
                         {1, 1, 1, 207}, {1, 1021, 1, 5}}) {
    for (const bool to_nchw : {true, false}) {
      Transpose<uint32_t>(suite, s.n, s.h, s.w, s.channels, to_nchw);
      Transpose<uint16_t>(suite, s.n, s.h, s.w, s.channels, to_nchw);
      Transpose<uint8_t>(suite, s.n, s.h, s.w, s.channels, to_nchw);
    }
  }
}

}  // namespace

void LayersCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    for (const int32_t real : kReals) Elementwise(suite, size, real);
    for (const Rows& shape : RowsOf(suite, size)) {
      for (const int32_t type : kReals) {
        AddBias(suite, shape, type);
        BatchNorm(suite, shape, type);
        for (const bool variant : {true, false}) {
          if (suite.timed() && variant && type == QT_ELEMENT_BF16) continue;
          ChannelSum(suite, shape, variant, type);
          BatchNormStats(suite, shape, variant, type);
          BatchNormBackward(suite, shape, variant, type);
        }
        if (suite.timed()) continue;
        BatchNormBackward(suite, shape, /*frozen=*/false, type, Sums::kAlone);
        BatchNormBackward(suite, shape, /*frozen=*/false, type, Sums::kGiven);
      }
    }
  }
  if (suite.timed()) {
    const int64_t images = suite.Sizes()[0] / (kTimedWindow.h * kTimedWindow.w * 64);
    Pools(suite, kTimedWindow, images > 0 ? images : 1, 64);
    Transpose<uint32_t>(suite, images > 0 ? images : 1, 64, 64, 64, /*to_nchw=*/true);
    return;
  }
  for (const Window& window : kWindows) {
    for (const int64_t channels : {1, 3, 16, 64, 84}) Pools(suite, window, 2, channels);
  }
  Transposes(suite);
}

}  // namespace qt::check
