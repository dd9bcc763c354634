// Elementwise and broadcast operations, strided copies, reductions, softmax, layer norm, gather.
#include <math.h>

#include <algorithm>

#include "check/case.h"

namespace qt::check {
namespace {

// Whether a kernel has one case in this type.
bool OneOfAll(const Suite& suite, int32_t real) {
  return suite.timed() && real == QT_ELEMENT_BF16;
}

// Both zeros, denormals, infinities and NaN between ordinary values.
Data<float> Edges(int64_t n, uint32_t seed) { return Values(n, 0.05f, -127, 127, 0, seed); }

Data<float> Ordinary(int64_t n, uint32_t seed) {
  return Values(n, 0.03f, -127, 127, 0, seed, /*finite=*/true);
}

// As in layers.cc: two double sums in any order, each rounded to float once.
double SumBound(int64_t terms, double largest) {
  const double count = static_cast<double>(terms);
  return count * largest * (ldexp(1.0, -23) + ldexp(count, -52));
}

struct UnaryKind {
  const char* name;
  int32_t kind;
  float alpha, beta;
};

constexpr UnaryKind kUnaryKinds[] = {
    {"affine", QT_UNARY_AFFINE, 1.7f, -0.3f},
    {"abs", QT_UNARY_ABS, 0.0f, 0.0f},
    {"exp", QT_UNARY_EXP, 0.0f, 0.0f},
    {"log", QT_UNARY_LOG, 0.0f, 0.0f},
    {"sqrt", QT_UNARY_SQRT, 0.0f, 0.0f},
    {"reciprocal", QT_UNARY_RECIPROCAL, 0.0f, 0.0f},
    {"square", QT_UNARY_SQUARE, 0.0f, 0.0f},
    {"pow 2.5", QT_UNARY_POW, 2.5f, 0.0f},
    {"pow -3", QT_UNARY_POW, -3.0f, 0.0f},
    {"pow 0", QT_UNARY_POW, 0.0f, 0.0f},
    {"sigmoid", QT_UNARY_SIGMOID, 0.0f, 0.0f},
    {"tanh", QT_UNARY_TANH, 0.0f, 0.0f},
    {"erf", QT_UNARY_ERF, 0.0f, 0.0f},
    {"gelu", QT_UNARY_GELU, 0.0f, 0.0f},
    {"gelu tanh", QT_UNARY_GELU_TANH, 0.0f, 0.0f},
    {"hard sigmoid", QT_UNARY_HARD_SIGMOID, 0.2f, 0.5f},
    {"hard swish", QT_UNARY_HARD_SWISH, 0.0f, 0.0f},
    {"silu", QT_UNARY_SILU, 0.0f, 0.0f},
    {"softplus", QT_UNARY_SOFTPLUS, 0.0f, 0.0f},
    {"leaky relu", QT_UNARY_LEAKY_RELU, 0.01f, 0.0f},
    {"elu", QT_UNARY_ELU, 0.7f, 0.0f},
    {"clip", QT_UNARY_CLIP, -1.0f, 2.5f},
};

void Unary(Suite& suite, int64_t n, const UnaryKind& k, int32_t real) {
  auto& forward = suite.Add("unary", k.name + std::string(TypeName(real)), qt_unary);
  forward.RealIn(&forward.args.x, real, Edges(n, 1));
  forward.RealOut(&forward.args.y, real, n);
  forward.MayBe(&forward.args.x);
  forward.args.n = n;
  forward.args.kind = k.kind;
  forward.args.alpha = k.alpha;
  forward.args.beta = k.beta;
  forward.args.element_type = real;
  forward.elements = n;

  auto& backward = suite.Add("unary_backward", k.name + std::string(TypeName(real)), qt_unary_backward);
  backward.RealIn(&backward.args.x, real, Edges(n, 2));
  backward.RealIn(&backward.args.dy, real, Edges(n, 3));
  backward.RealOut(&backward.args.dx, real, n);
  backward.MayBe(&backward.args.dy);
  backward.args.n = n;
  backward.args.kind = k.kind;
  backward.args.alpha = k.alpha;
  backward.args.beta = k.beta;
  backward.args.element_type = real;
  backward.elements = n;
}

struct Dims {
  int64_t size[6];

  int64_t elements() const {
    int64_t n = 1;
    for (const int64_t s : size) n *= s;
    return n;
  }
};

// Strides of an operand that has the dimensions with a bit in mask (the lowest bit is the innermost
// dimension) and repeats in the others; returns its elements.
int64_t Operand(const Dims& dims, unsigned mask, int64_t (&stride)[6]) {
  int64_t n = 1;
  for (int d = 5; d >= 0; --d) {
    const bool has = (mask >> (5 - d) & 1u) != 0;
    stride[d] = has ? n : 0;
    n *= has ? dims.size[d] : 1;
  }
  return n;
}

struct BinaryShape {
  const char* name;
  Dims dims;
  unsigned a, b;  // masks
};

constexpr unsigned kAll = 63;

std::vector<BinaryShape> BinaryShapes(const Suite& suite, int64_t n) {
  if (suite.timed()) {
    return {{"dense", {{1, 1, 1, 1, 1, n}}, kAll, kAll},
            {"scalar", {{1, 1, 1, 1, 1, n}}, kAll, 0},
            {"bias of 768", {{1, 1, 1, 1, n / 768, 768}}, kAll, 1},
            {"gate of 96", {{1, 1, 1, n / (96 * 196), 196, 96}}, kAll, 5}};
  }
  return {{"dense", {{1, 1, 1, 1, 1, n}}, kAll, kAll},
          {"scalar", {{1, 1, 1, 1, 1, n}}, kAll, 0},
          {"a is a scalar", {{1, 1, 1, 1, 1, n}}, 0, kAll},
          {"row", {{1, 1, 1, 1, (n + 6) / 7, 7}}, kAll, 1},
          {"column", {{1, 1, 1, 1, 5, (n + 4) / 5}}, kAll, 62},
          {"outer product", {{1, 1, 1, 1, 33, (n + 32) / 33}}, 2, 1},
          {"6 dimensions", {{2, 3, 2, 2, 3, (n + 71) / 72}}, 45, 19}};
}

void Binary(Suite& suite, const BinaryShape& s, int32_t kind, const char* kind_name, int32_t real) {
  auto& c = suite.Add("binary", std::string(kind_name) + ", " + s.name + TypeName(real), qt_binary);
  const int64_t a = Operand(s.dims, s.a, c.args.a_stride);
  const int64_t b = Operand(s.dims, s.b, c.args.b_stride);
  c.RealIn(&c.args.a, real, Edges(a, 4));
  c.RealIn(&c.args.b, real, Edges(b, 5));
  c.RealOut(&c.args.y, real, s.dims.elements());
  if (s.a == kAll) {
    c.MayBe(&c.args.a);
  } else if (s.b == kAll) {
    c.MayBe(&c.args.b);
  }
  std::copy(s.dims.size, s.dims.size + 6, c.args.size);
  c.args.kind = kind;
  c.args.element_type = real;
  c.elements = s.dims.elements();
}

void Binaries(Suite& suite, int64_t n, int32_t real) {
  constexpr const char* kNames[] = {"add", "sub",   "mul",   "div", "min",
                                    "max", "slope", "equal", "less"};
  for (const BinaryShape& s : BinaryShapes(suite, n)) {
    for (int32_t kind = 0; kind <= QT_BINARY_LESS; ++kind) {
      Binary(suite, s, kind, kNames[kind], real);
      if (suite.timed()) break;
    }
    if (OneOfAll(suite, real)) break;
    if (suite.timed()) continue;
    // The second operand in another order in memory.
    auto& c = suite.Add("binary", std::string("strided, ") + s.name + TypeName(real), qt_binary);
    Operand(s.dims, kAll, c.args.a_stride);
    int64_t stride = 1;
    for (int d = 0; d < 6; ++d) {
      c.args.b_stride[d] = stride;
      stride *= s.dims.size[d];
    }
    c.RealIn(&c.args.a, real, Edges(stride, 6));
    c.RealIn(&c.args.b, real, Edges(stride, 7));
    c.RealOut(&c.args.y, real, stride);
    std::copy(s.dims.size, s.dims.size + 6, c.args.size);
    c.args.kind = QT_BINARY_SUB;
    c.args.element_type = real;
    c.elements = stride;
  }
}

void Where(Suite& suite, const BinaryShape& s, unsigned condition, int32_t real) {
  auto& c = suite.Add("where", std::string(s.name) + TypeName(real), qt_where);
  const int64_t n = Operand(s.dims, condition, c.args.condition_stride);
  c.In(&c.args.condition, Data<float>([n] {
         std::vector<float> values(n);
         for (int64_t i = 0; i < n; ++i) {
           values[i] = i % 3 == 0 ? 0.0f : i % 7 == 1 ? -0.0f : i % 11 == 2 ? NAN : 1.0f;
         }
         return values;
       }));
  c.RealIn(&c.args.a, real, Edges(Operand(s.dims, s.a, c.args.a_stride), 8));
  c.RealIn(&c.args.b, real, Edges(Operand(s.dims, s.b, c.args.b_stride), 9));
  c.RealOut(&c.args.y, real, s.dims.elements());
  c.copies = true;
  if (s.a == kAll) c.MayBe(&c.args.a);
  std::copy(s.dims.size, s.dims.size + 6, c.args.size);
  c.args.element_type = real;
  c.elements = s.dims.elements();
}

// A copy whose input lies with the dimensions in this order, the innermost last, and whose output is
// dense; expected from plain loops.
template <class T>
void Permute(Suite& suite, const std::string& name, const Dims& dims, const int (&order)[6]) {
  auto& c = suite.Add("strided_copy", name + ", " + std::to_string(sizeof(T)) + " bytes",
                      qt_strided_copy);
  Operand(dims, kAll, c.args.y_stride);
  int64_t stride = 1;
  for (int i = 5; i >= 0; --i) {
    c.args.x_stride[order[i]] = stride;
    stride *= dims.size[order[i]];
  }
  std::copy(dims.size, dims.size + 6, c.args.size);
  c.args.element_bytes = static_cast<int32_t>(sizeof(T));
  c.elements = stride;
  if (suite.timed()) {
    c.In(&c.args.x, Integers<T>(stride, 0, 255, 10));
    c.OutBytes(&c.args.y, stride * static_cast<int64_t>(sizeof(T)), alignof(T));
    return;
  }
  const std::vector<T> x = Integers<T>(stride, 0, 255, 10);
  c.In(&c.args.x, x);
  c.OutBytes(&c.args.y, stride * static_cast<int64_t>(sizeof(T)), alignof(T));
  std::vector<T> y(stride);
  for (int64_t i = 0; i < stride; ++i) {
    int64_t rest = i, from = 0;
    for (int d = 5; d >= 0; --d) {
      from += rest % dims.size[d] * c.args.x_stride[d];
      rest /= dims.size[d];
    }
    y[i] = x[from];
  }
  c.Expect(y);
}

template <class T>
void Copies(Suite& suite, int64_t n) {
  constexpr int kSame[6] = {0, 1, 2, 3, 4, 5};
  if (suite.timed()) {
    Permute<T>(suite, "heads", {{1, 1, n / (196 * 768), 12, 196, 64}}, {0, 1, 2, 4, 3, 5});
    Permute<T>(suite, "channels last", {{1, 1, 1, n / (196 * 96), 196, 96}}, {0, 1, 2, 3, 5, 4});
    return;
  }
  Permute<T>(suite, "same order", {{1, 1, 1, 1, 3, n}}, kSame);
  Permute<T>(suite, "matrix", {{1, 1, 1, 1, 7, n}}, {0, 1, 2, 3, 5, 4});
  Permute<T>(suite, "narrow matrix", {{1, 1, 1, 1, n, 3}}, {0, 1, 2, 3, 5, 4});
  Permute<T>(suite, "heads", {{1, 1, 2, 3, 5, (n + 30) / 31}}, {0, 1, 2, 4, 3, 5});
  Permute<T>(suite, "heads of cache lines", {{1, 1, 2, 3, 5, 64 * ((n + 1919) / 1920)}},
             {0, 1, 2, 4, 3, 5});
  Permute<T>(suite, "6 dimensions", {{2, 3, 1, 2, 5, (n + 59) / 60}}, {5, 3, 1, 4, 2, 0});
  Permute<T>(suite, "tiles of pages", {{2, 3, 2, (n + 63) / 64, 2, 17}}, {4, 0, 5, 2, 1, 3});

  // Every second element, backwards, into columns of a wider output; the rest of it stays.
  const int64_t rows = 3, width = (n + 2) / 3, wide = width + 4;
  auto& slice = suite.Add("strided_copy", "slice into columns, " + std::to_string(sizeof(T)) + " bytes",
                          qt_strided_copy);
  slice.In(&slice.args.x, Integers<T>(2 * rows * width, 0, 255, 11));
  slice.OutBytes(&slice.args.y, ((rows - 1) * wide + width) * static_cast<int64_t>(sizeof(T)),
                 alignof(T));
  for (int d = 0; d < 6; ++d) slice.args.size[d] = 1;
  slice.args.size[4] = rows;
  slice.args.size[5] = width;
  slice.args.x_stride[4] = 2 * width;
  slice.args.x_stride[5] = 2;
  slice.args.y_stride[4] = wide;
  slice.args.y_stride[5] = 1;
  slice.args.element_bytes = static_cast<int32_t>(sizeof(T));
  slice.elements = rows * width;

  auto& expand = suite.Add("strided_copy", "expand, " + std::to_string(sizeof(T)) + " bytes",
                           qt_strided_copy);
  const Dims dims = {{1, 2, 3, 1, 4, (n + 23) / 24}};
  expand.In(&expand.args.x,
            Integers<T>(Operand(dims, 2 + 16, expand.args.x_stride), 0, 255, 12));
  Operand(dims, kAll, expand.args.y_stride);
  expand.OutBytes(&expand.args.y, dims.elements() * static_cast<int64_t>(sizeof(T)), alignof(T));
  std::copy(dims.size, dims.size + 6, expand.args.size);
  expand.args.element_bytes = static_cast<int32_t>(sizeof(T));
  expand.elements = dims.elements();

  auto& fill = suite.Add("strided_copy", "fill, " + std::to_string(sizeof(T)) + " bytes",
                         qt_strided_copy);
  fill.OutBytes(&fill.args.y, n * static_cast<int64_t>(sizeof(T)), alignof(T));
  fill.Expect(std::vector<T>(n, static_cast<T>(0xc0ffee42u)));
  for (int d = 0; d < 6; ++d) fill.args.size[d] = 1;
  fill.args.size[5] = n;
  fill.args.y_stride[5] = 1;
  fill.args.element_bytes = static_cast<int32_t>(sizeof(T));
  fill.args.fill_bits = 0xc0ffee42u;
  fill.elements = n;
}

struct ReduceShape {
  const char* name;
  int64_t outer, n, inner;
};

std::vector<ReduceShape> ReduceShapes(const Suite& suite, int64_t n) {
  if (suite.timed()) {
    return {{"rows of 768", n / 768, 768, 1},
            {"columns, 768", 1, n / 768, 768},
            {"between, 196 of 96", n / (196 * 96), 196, 96},
            {"all", 1, n, 1}};
  }
  return {{"all", 1, n, 1},          {"rows", 5, n, 1},
          {"many rows", n, 7, 1},    {"columns, 3", 1, n, 3},
          {"columns, 70", 1, n, 70}, {"columns, 1100", 1, (n + 63) / 64, 1100},
          {"between", 4, n, 5},      {"between, wide", 2, (n + 63) / 64, 1100},
          {"many columns", 1, 2, 66000}};
}

void Reduce(Suite& suite, const ReduceShape& s, int32_t kind, int32_t real) {
  constexpr const char* kNames[] = {"sum", "mean", "max", "min"};
  const int64_t elements = s.outer * s.n * s.inner, results = s.outer * s.inner;
  auto& c = suite.Add("reduce", std::string(kNames[kind]) + ", " + s.name + TypeName(real), qt_reduce);
  if (kind == QT_REDUCE_MAX || kind == QT_REDUCE_MIN) {
    c.RealIn(&c.args.x, real, Edges(elements, 13));
    c.RealOut(&c.args.y, real, results);
  } else {
    c.RealIn(&c.args.x, real, Uniform(elements, -3.0f, 3.0f, 14));
    c.RealOutSum(&c.args.y, real, results, SumBound(s.n, 3.0));
  }
  c.args.outer = s.outer;
  c.args.n = s.n;
  c.args.inner = s.inner;
  c.args.kind = kind;
  c.args.element_type = real;
  c.elements = elements;
}

std::vector<int64_t> RowLengths(const Suite& suite) {
  if (suite.timed()) return {768};
  return {1, 3, 16, 31, 197, 768};
}

void Softmax(Suite& suite, int64_t rows, int64_t n, int32_t real) {
  const std::string name = "rows of " + std::to_string(n) + TypeName(real);
  auto& forward = suite.Add("softmax", name, qt_softmax);
  forward.RealIn(&forward.args.x, real,
                 suite.timed() ? Uniform(rows * n, -4.0f, 4.0f, 15)
                               : Values(rows * n, 0.5f, -127, 127, 0, 15));
  forward.RealOut(&forward.args.y, real, rows * n);
  forward.MayBe(&forward.args.x);
  forward.args.rows = rows;
  forward.args.n = n;
  forward.args.element_type = real;
  forward.elements = rows * n;

  auto& backward = suite.Add("softmax_backward", name, qt_softmax_backward);
  backward.RealIn(&backward.args.y, real, Uniform(rows * n, 0.0f, 1.0f, 16));
  backward.RealIn(&backward.args.dy, real, Ordinary(rows * n, 17));
  backward.RealOut(&backward.args.dx, real, rows * n);
  backward.MayBe(&backward.args.dy);
  backward.args.rows = rows;
  backward.args.n = n;
  backward.args.element_type = real;
  backward.elements = rows * n;
}

void LayerNorm(Suite& suite, int64_t rows, int64_t n, int32_t real) {
  const std::string name = "rows of " + std::to_string(n) + TypeName(real);
  // Far from 0 in units of the deviation: where sums of squares that are not shifted lose everything.
  // (bf16 has 8 bits for both.)
  const float middle = real == QT_ELEMENT_BF16 ? 16.0f : 1000.0f;
  for (const bool saved : {true, false}) {
    auto& c = suite.Add("layer_norm", name + (saved ? "" : ", nothing saved"), qt_layer_norm);
    c.RealIn(&c.args.x, real, Uniform(rows * n, middle - 1.0f, middle + 1.0f, 18));
    c.In(&c.args.gamma, Uniform(n, -1.5f, 1.5f, 19));
    c.In(&c.args.beta, Uniform(n, -1.0f, 1.0f, 20));
    c.RealOut(&c.args.y, real, rows * n);
    c.MayBe(&c.args.x);
    if (saved) {
      c.Out(&c.args.mean, rows);
      c.Out(&c.args.rstd, rows);
    }
    c.args.rows = rows;
    c.args.n = n;
    c.args.epsilon = 1e-5f;
    c.args.element_type = real;
    c.elements = rows * n;
  }

  auto& c = suite.Add("layer_norm_backward", name, qt_layer_norm_backward);
  c.RealIn(&c.args.x, real, Uniform(rows * n, -2.0f, 2.0f, 21));
  c.RealIn(&c.args.dy, real, Uniform(rows * n, -1.0f, 1.0f, 22));
  c.In(&c.args.gamma, Uniform(n, -1.5f, 1.5f, 23));
  c.In(&c.args.mean, Uniform(rows, -0.5f, 0.5f, 24));
  c.In(&c.args.rstd, Uniform(rows, 0.5f, 2.0f, 25));
  c.RealOut(&c.args.dx, real, rows * n);
  c.MayBe(&c.args.dy);
  c.OutSum(&c.args.dgamma, n, SumBound(rows, 5.0));
  c.OutSum(&c.args.dbeta, n, SumBound(rows, 1.0));
  c.args.rows = rows;
  c.args.n = n;
  c.args.element_type = real;
  c.elements = rows * n;
}

struct GatherShape {
  const char* name;
  int64_t outer, axis, inner, count;
};

std::vector<GatherShape> GatherShapes(const Suite& suite, int64_t n) {
  if (suite.timed()) {
    return {{"embedding of 768", 1, std::min<int64_t>(30522, n / 512), 768, n / 768}};
  }
  return {{"elements", 1, 17, 1, n},
          {"embedding", 1, 50, 33, n},
          {"columns", 3, n, 1, 5},
          {"between", 4, 9, 70, (n + 69) / 70},
          {"wide", 1, 5, 300, (n + 63) / 64}};
}

template <class T>
void Gather(Suite& suite, const GatherShape& s) {
  auto& c = suite.Add("gather", std::string(s.name) + ", " + std::to_string(sizeof(T)) + " bytes",
                      qt_gather);
  c.In(&c.args.x, Integers<T>(s.outer * s.axis * s.inner, 0, 255, 26));
  c.In(&c.args.indices, Integers<int32_t>(s.count, 0, s.axis - 1, 27));
  c.OutBytes(&c.args.y, s.outer * s.count * s.inner * static_cast<int64_t>(sizeof(T)), alignof(T));
  c.args.outer = s.outer;
  c.args.axis = s.axis;
  c.args.inner = s.inner;
  c.args.count = s.count;
  c.args.element_bytes = static_cast<int32_t>(sizeof(T));
  c.elements = s.outer * s.count * s.inner;
}

void GatherBackward(Suite& suite, const GatherShape& s, int32_t type) {
  auto& c = suite.Add("gather_backward", InType(s.name, type), qt_gather_backward);
  c.RealIn(&c.args.dy, type, Ordinary(s.outer * s.count * s.inner, 28));
  c.args.element_type = type;
  c.In(&c.args.indices, Integers<int32_t>(s.count, 0, s.axis - 1, 29));
  c.Out(&c.args.dx, s.outer * s.axis * s.inner);
  c.args.outer = s.outer;
  c.args.axis = s.axis;
  c.args.inner = s.inner;
  c.args.count = s.count;
  c.elements = s.outer * s.count * s.inner;
}

// What takes real tensors.
void Reals(Suite& suite, int64_t size, int32_t real) {
  for (const UnaryKind& kind : kUnaryKinds) {
    Unary(suite, size, kind, real);
    if (OneOfAll(suite, real)) break;
  }
  Binaries(suite, size, real);
  for (const BinaryShape& s : BinaryShapes(suite, size)) {
    Where(suite, s, s.a | 1u, real);
    if (OneOfAll(suite, real)) break;
  }
  for (const ReduceShape& s : ReduceShapes(suite, size)) {
    for (const int32_t kind : {QT_REDUCE_SUM, QT_REDUCE_MEAN, QT_REDUCE_MAX, QT_REDUCE_MIN}) {
      if (!suite.timed() || kind == QT_REDUCE_SUM || kind == QT_REDUCE_MAX) {
        Reduce(suite, s, kind, real);
      }
    }
    if (OneOfAll(suite, real)) break;
  }
  for (const int64_t n : RowLengths(suite)) {
    const int64_t rows = suite.timed() ? size / n : (size + n - 1) / n;
    Softmax(suite, rows, n, real);
    LayerNorm(suite, rows, n, real);
  }
}

}  // namespace

void TensorsCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    for (const int32_t real : kReals) Reals(suite, size, real);
    Copies<uint32_t>(suite, size);
    if (!suite.timed()) {
      Copies<uint16_t>(suite, size);
      Copies<uint8_t>(suite, size);
    }
    for (const GatherShape& s : GatherShapes(suite, size)) {
      Gather<uint32_t>(suite, s);
      if (!suite.timed()) {
        Gather<uint16_t>(suite, s);
        Gather<uint8_t>(suite, s);
      }
      for (const int32_t type : kReals) GatherBackward(suite, s, type);
    }
  }
}

}  // namespace qt::check
