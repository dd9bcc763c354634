// Accumulators: statistics, absorbed batch norm, the deployed fold, requantize.
#include <math.h>

#include <algorithm>

#include "check/case.h"
#include "math/int128.h"

namespace qt::check {
namespace {

// Rows of a tensor of about n elements; 64 channels where it is timed.
struct Rows {
  int64_t rows, channels;
  std::string name() const { return std::to_string(channels) + " channels"; }
  int64_t elements() const { return rows * channels; }
};

std::vector<Rows> RowsOf(const Suite& suite, int64_t n) {
  if (suite.timed()) return {{n / 64, 64}};
  std::vector<Rows> shapes;
  for (const int64_t channels : {1, 3, 16, 24, 70, 300}) {
    shapes.push_back({(n + channels - 1) / channels, channels});
  }
  return shapes;
}

// |a - b| of two sums of `terms` values of at most `largest`, each at most 600 roundings deep.
double SumBound(int64_t terms, double largest) {
  return 600.0 * ldexp(1.0, -24) * static_cast<double>(terms) * largest;
}

// Gammas of every kind: 0, tiny, negative, plain; only plain ones where calls are timed, because
// gradients would be denormal.
std::vector<float> Gammas(const Suite& suite, int64_t channels, uint32_t seed) {
  const float special[] = {0.0f, -0.0f, 1e-30f, -1e-30f, 1e-45f};
  std::vector<float> gamma = Uniform(channels, -1.5f, 1.5f, seed);
  for (int64_t c = 0; !suite.timed() && c < channels; ++c) {
    if (c % 7 == 2) gamma[c] = special[c / 7 % 5];
  }
  return gamma;
}

void AccStats(Suite& suite, const Rows& shape, int64_t largest) {
  auto& c = suite.Add("acc_stats", shape.name() + ", up to " + std::to_string(largest),
                      qt_acc_stats);
  std::vector<int32_t> acc =
      Integers<int32_t>(shape.elements(), -largest, largest == INT32_MAX ? INT32_MAX : largest, 7);
  if (largest == INT32_MAX) acc[0] = INT32_MIN;
  c.In(&c.args.acc, acc);
  c.Out(&c.args.sum, shape.channels);
  c.Out(&c.args.sum_squares, 2 * shape.channels);
  c.Out(&c.args.min, shape.channels);
  c.Out(&c.args.max, shape.channels);
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.elements = shape.elements();
}

void Absorb(Suite& suite, const Rows& shape, bool running, bool folded) {
  auto& c = suite.Add("batch_norm_absorb", shape.name() +
                                               (running ? "" : ", no running statistics") +
                                               (folded ? ", one convolution" : ""),
                      qt_batch_norm_absorb);
  std::vector<int32_t> acc = Integers<int32_t>(shape.elements(), -100000, 120000, 11);
  if (folded) {  // channels whose folded weights quantized to nothing
    for (int64_t i = 0; i < shape.elements(); ++i) {
      if (i % shape.channels % 5 == 2) acc[i] = 0;
    }
  }
  std::vector<int64_t> sum(shape.channels, 0), squares(2 * shape.channels);
  std::vector<math::Uint128> wide(shape.channels, 0);
  for (int64_t i = 0; i < shape.elements(); ++i) {
    sum[i % shape.channels] += acc[i];
    wide[i % shape.channels] += static_cast<uint64_t>(static_cast<int64_t>(acc[i]) * acc[i]);
  }
  for (int64_t i = 0; i < shape.channels; ++i) math::StoreUint128(wide[i], &squares[2 * i]);
  c.In(&c.args.sum, sum);
  c.In(&c.args.sum_squares, squares);
  c.In(&c.args.gamma, Gammas(suite, shape.channels, 1));
  c.In(&c.args.beta, Uniform(shape.channels, -2.0f, 2.0f, 2));
  c.In(&c.args.x_scale, std::vector<float>{0.037f});
  c.In(&c.args.w_scale, Uniform(shape.channels, 1e-4f, 1e-2f, 3));
  if (running) {
    c.InOut(&c.args.running_mean, Uniform(shape.channels, -1.0f, 1.0f, 4));
    c.InOut(&c.args.running_var, Uniform(shape.channels, 0.1f, 2.0f, 5));
  }
  if (folded) {
    c.In(&c.args.fold_var, Uniform(shape.channels, 0.0f, 2.0f, 6));
    c.In(&c.args.conv_bias, Uniform(shape.channels, -1.0f, 1.0f, 7));
  }
  c.Out(&c.args.mean, shape.channels);
  c.Out(&c.args.inv_std, shape.channels);
  c.Out(&c.args.out_scale, shape.channels);
  c.Out(&c.args.bias, shape.channels);
  c.Out(&c.args.keep, shape.channels);
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.epsilon = 1e-5f;
  c.args.momentum = 0.1f;
  c.elements = shape.channels;
}

void AbsorbBackward(Suite& suite, const Rows& shape, bool mask, bool folded, int32_t type,
                    int32_t du_type, bool times_w_scale, Sums sums = Sums::kOwn) {
  auto& c = suite.Add("batch_norm_absorb_backward",
                      shape.name() + (mask ? "" : ", no mask") +
                          (folded ? ", one convolution" : "") +
                          kSumsNames[static_cast<int>(sums)] + TypeName(type) +
                          (du_type == type ? "" : " to bf16") +
                          (times_w_scale ? ", times w_scale" : ""),
                      qt_batch_norm_absorb_backward);
  const int64_t n = shape.elements();
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 21));
  if (mask) c.In(&c.args.mask, RandomMask(n, 22));
  // unit in [0.5, 1] * 1e-3: |x_hat| <= (1000 * 1e-3 + 0.5) * 2 = 3.
  c.In(&c.args.acc, Integers<int32_t>(n, -1000, 1000, 23));
  c.In(&c.args.gamma, Gammas(suite, shape.channels, 24));
  c.In(&c.args.x_scale, std::vector<float>{0.01f});
  c.In(&c.args.w_scale, Uniform(shape.channels, 0.05f, 0.1f, 25));
  c.In(&c.args.mean, Uniform(shape.channels, -0.5f, 0.5f, 26));
  std::vector<float> inv_std = Uniform(shape.channels, 0.5f, 2.0f, 27);
  if (folded) {
    for (int64_t i = 2; i < shape.channels; i += 5) inv_std[i] = 0.0f;
    c.In(&c.args.fold_var, Uniform(shape.channels, 0.5f, 2.0f, 28));
    c.args.epsilon = 1e-5f;
  }
  c.In(&c.args.inv_std, inv_std);
  const double sum_bound = SumBound(shape.rows, 3.0);
  // gain <= 3; the two means are off by sum_bound / rows, one of them times |x_hat| <= 3.
  const bool given = sums == Sums::kGiven;
  if (given) {
    c.RealOut(&c.args.du, du_type, n);
  } else if (sums == Sums::kOwn) {
    c.RealOutSum(&c.args.du, du_type, n, 3.0 * 4.0 * sum_bound / static_cast<double>(shape.rows));
  }
  if (sums != Sums::kAlone && du_type == type) c.MayBe(&c.args.dy);
  if (given) {
    c.args.sum_rows = 3 * shape.rows;
    c.In(&c.args.dgamma, Uniform(shape.channels, -9.0f, 9.0f, 29));
    c.In(&c.args.dbeta, Uniform(shape.channels, -9.0f, 9.0f, 30));
  } else {
    c.OutSum(&c.args.dgamma, shape.channels, sum_bound);
    c.OutSum(&c.args.dbeta, shape.channels, sum_bound);
  }
  c.args.element_type = type;
  c.args.du_type = du_type;
  c.own_type = &c.args.du_type;
  c.args.times_w_scale = times_w_scale ? 1 : 0;
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.elements = n;
}

enum class Norm { kNone, kBias, kBatchNorm, kBatchNormAndBias };
constexpr const char* kNormNames[] = {"plain", "bias", "batch norm", "batch norm and bias"};

// Weights of [channels, inner]; one channel of zeros.
std::vector<float> Weights(int64_t channels, int64_t inner) {
  std::vector<float> w = Uniform(channels * inner, -0.7f, 0.7f, 31);
  for (int64_t i = 0; i < inner && channels > 4; ++i) w[4 * inner + i] = 0.0f;
  return w;
}

void FoldWeight(Suite& suite, int64_t channels, int64_t inner, Norm norm, bool per_tensor,
                bool learned, bool power_of_two = false) {
  auto& c = suite.Add("fold_weight",
                      std::string(per_tensor ? "per tensor, " : "per channel, ") +
                          (learned ? "learned scale, " : "") +
                          (power_of_two ? "powers of two, " : "") + kNormNames[static_cast<int>(norm)],
                      qt_fold_weight);
  c.In(&c.args.w, Weights(channels, inner));
  if (norm == Norm::kBias || norm == Norm::kBatchNormAndBias) {
    c.In(&c.args.conv_bias, Uniform(channels, -1.0f, 1.0f, 32));
  }
  if (norm == Norm::kBatchNorm || norm == Norm::kBatchNormAndBias) {
    c.In(&c.args.gamma, Gammas(suite, channels, 33));
    c.In(&c.args.beta, Uniform(channels, -2.0f, 2.0f, 34));
    c.In(&c.args.mean, Uniform(channels, -3.0f, 3.0f, 35));
    c.In(&c.args.var, Uniform(channels, 0.0f, 4.0f, 36));
    c.args.epsilon = 1e-5f;
  }
  c.In(&c.args.x_scale, std::vector<float>{0.021f});
  if (learned) c.In(&c.args.learned_scale, Uniform(channels, 0.004f, 0.006f, 37));
  c.Out(&c.args.codes, channels * inner);
  c.Out(&c.args.w_scale, channels);
  c.Out(&c.args.out_scale, channels);
  c.Out(&c.args.bias, channels);
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.qmin = -127;
  c.args.qmax = 127;
  c.args.per_tensor = per_tensor ? 1 : 0;
  c.args.power_of_two = power_of_two ? 1 : 0;
  c.elements = channels * inner;
}

void FoldWeightBackward(Suite& suite, int64_t channels, int64_t inner, Norm norm, bool per_tensor,
                        bool learned) {
  auto& c = suite.Add("fold_weight_backward",
                      std::string(per_tensor ? "per tensor, " : "per channel, ") +
                          (learned ? "learned scale, " : "") + kNormNames[static_cast<int>(norm)],
                      qt_fold_weight_backward);
  c.In(&c.args.w, Weights(channels, inner));
  c.In(&c.args.dw_folded, Uniform(channels * inner, -1.0f, 1.0f, 41));
  c.In(&c.args.dbias, Uniform(channels, -1.0f, 1.0f, 42));
  if (norm == Norm::kBias || norm == Norm::kBatchNormAndBias) {
    c.In(&c.args.conv_bias, Uniform(channels, -1.0f, 1.0f, 43));
    c.Out(&c.args.dconv_bias, channels);
  }
  if (learned) c.In(&c.args.learned_scale, Uniform(channels, 0.004f, 0.006f, 47));
  if (norm == Norm::kBatchNorm || norm == Norm::kBatchNormAndBias) {
    c.In(&c.args.gamma, Gammas(suite, channels, 44));
    c.In(&c.args.mean, Uniform(channels, -3.0f, 3.0f, 45));
    c.In(&c.args.var, Uniform(channels, 0.01f, 4.0f, 46));
    c.args.epsilon = 1e-5f;
    // 1 / sigma <= 10. Terms are the same floats, sums are in double, the result is rounded once.
    c.OutSum(&c.args.dgamma, channels,
             10.0 * ldexp(1.0, -22) * (static_cast<double>(inner) + 4.0));
    c.Out(&c.args.dbeta, channels);
  }
  c.Out(&c.args.dw, channels * inner);
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.qmin = -127;
  c.args.qmax = 127;
  c.args.per_tensor = per_tensor ? 1 : 0;
  c.elements = channels * inner;
}

void AccRange(Suite& suite, int64_t channels, bool bias, float upper) {
  auto& c = suite.Add("acc_range", std::string(bias ? "bias" : "no bias") +
                                       (upper < 1e30f ? ", ReLU6" : ""), qt_acc_range);
  c.In(&c.args.acc_min, Integers<int32_t>(channels, -200000, 0, 51));
  c.In(&c.args.acc_max, Integers<int32_t>(channels, 1, 200000, 52));
  c.In(&c.args.out_scale, Uniform(channels, 1e-5f, 1e-3f, 53));
  if (bias) {
    c.In(&c.args.bias, Integers<int32_t>(channels, -100000, 100000, 54));
    c.In(&c.args.keep, Integers<int32_t>(channels, 0, 1, 55));
  }
  c.Out(&c.args.min, 1);
  c.Out(&c.args.max, 1);
  c.args.channels = channels;
  c.args.relu = upper < 1e30f ? 1 : 0;
  c.args.upper = upper;
  c.elements = channels;
}

void Multiplier(Suite& suite, int64_t channels, int64_t pool_count) {
  auto& c = suite.Add("multiplier", pool_count > 0 ? "pool" : "", qt_multiplier);
  c.In(&c.args.out_scale, Uniform(pool_count > 0 ? 1 : channels, 1e-6f, 1e-3f, 61));
  c.In(&c.args.y_scale, std::vector<float>{0.043f});
  c.Out(&c.args.multiplier, channels);
  c.args.channels = channels;
  c.args.pool_count = pool_count;
  c.elements = channels;
}

// Accumulators whose codes reach past both ends of the grid, with ties: multipliers are 1/2.
void Requantize(Suite& suite, const Rows& shape, int32_t code_type, bool relu, bool mask,
                bool bias) {
  auto& c = suite.Add("requantize", shape.name() + (code_type == QT_U8 ? ", u8" : ", s8") +
                                        (relu ? ", ReLU" : "") + (mask ? "" : ", no mask") +
                                        (bias ? "" : ", no bias"),
                      qt_requantize);
  c.In(&c.args.acc, Integers<int32_t>(shape.elements(), -400, 600, 71));
  if (bias) {
    c.In(&c.args.bias, Integers<int32_t>(shape.channels, -100, 100, 72));
    c.In(&c.args.keep, Integers<int32_t>(shape.channels, 0, 1, 73));
  }
  std::vector<float> multiplier = Uniform(shape.channels, 0.1f, 0.9f, 74);
  for (int64_t i = 0; i < shape.channels; i += 2) multiplier[i] = 0.5f;
  c.In(&c.args.multiplier, multiplier);
  c.In(&c.args.zero_point, std::vector<int32_t>{code_type == QT_U8 ? 37 : -5});
  c.OutBytes(&c.args.codes, shape.elements(), 1);
  if (mask) c.Out(&c.args.mask, (shape.elements() + 7) / 8);
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.args.qmin = code_type == QT_U8 ? 0 : -127;
  c.args.qmax = code_type == QT_U8 ? 255 : 127;
  c.args.relu = relu ? 1 : 0;
  c.args.code_type = code_type;
  c.elements = shape.elements();
}

void DequantizeAcc(Suite& suite, const Rows& shape, bool bias, int32_t type) {
  auto& c = suite.Add("dequantize_acc", shape.name() + (bias ? "" : ", no bias") + TypeName(type),
                      qt_dequantize_acc);
  c.In(&c.args.acc, Integers<int32_t>(shape.elements(), INT32_MIN / 2, INT32_MAX / 2, 81));
  if (bias) {
    c.In(&c.args.bias, Integers<int32_t>(shape.channels, -100000, 100000, 82));
    c.In(&c.args.keep, Integers<int32_t>(shape.channels, 0, 1, 83));
  }
  c.In(&c.args.out_scale, Uniform(shape.channels, 1e-7f, 1e-3f, 84));
  c.RealOut(&c.args.y, type, shape.elements());
  c.args.element_type = type;
  c.args.rows = shape.rows;
  c.args.channels = shape.channels;
  c.elements = shape.elements();
}

// Sums past 2^24, the first integers that no float holds.
void FloatToAcc(Suite& suite, int64_t n, bool accumulate, int32_t type) {
  auto& c = suite.Add("float_to_acc", InType(accumulate ? "accumulate" : "", type),
                      qt_float_to_acc);
  std::vector<float> x = Uniform(n, -16777215.0f, 16777215.0f, 91);
  for (float& v : x) v = rintf(v);
  const float ends[] = {1.0f, NAN, INFINITY, -INFINITY, 1e30f, -16777216.0f, -0.0f};
  std::copy_n(ends, std::min<int64_t>(n, 7), x.begin());
  c.RealIn(&c.args.x, type, x);
  c.args.element_type = type;
  if (accumulate) {
    std::vector<int32_t> acc = Integers<int32_t>(n, -(1 << 29), 1 << 29, 92);
    acc[0] = 1 << 24;
    c.InOut(&c.args.acc, acc);
  } else {
    c.Out(&c.args.acc, n);
  }
  c.args.n = n;
  c.args.accumulate = accumulate ? 1 : 0;
  c.elements = n;
}

void Weights(Suite& suite, int64_t channels, int64_t inner) {
  for (const Norm norm : {Norm::kNone, Norm::kBias, Norm::kBatchNorm, Norm::kBatchNormAndBias}) {
    if (suite.timed() && norm != Norm::kBatchNorm) continue;
    for (const bool per_tensor : {false, true}) {
      FoldWeight(suite, channels, inner, norm, per_tensor, /*learned=*/false);
      FoldWeightBackward(suite, channels, inner, norm, per_tensor, /*learned=*/false);
    }
    if (suite.timed()) continue;
    FoldWeight(suite, channels, inner, norm, /*per_tensor=*/false, /*learned=*/true);
    FoldWeight(suite, channels, inner, norm, /*per_tensor=*/true, /*learned=*/false,
               /*power_of_two=*/true);
    FoldWeightBackward(suite, channels, inner, norm, /*per_tensor=*/false, /*learned=*/true);
  }
}

}  // namespace

void AccumulatorCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    for (const Rows& shape : RowsOf(suite, size)) {
      AccStats(suite, shape, 50000);
      Requantize(suite, shape, QT_U8, /*relu=*/true, /*mask=*/true, /*bias=*/true);
      for (const int32_t type : kReals) {
        AbsorbBackward(suite, shape, /*mask=*/true, /*folded=*/false, type, type,
                       /*times_w_scale=*/false);
        AbsorbBackward(suite, shape, /*mask=*/true, /*folded=*/false, type, QT_ELEMENT_BF16,
                       /*times_w_scale=*/true);
        DequantizeAcc(suite, shape, /*bias=*/true, type);
      }
      if (suite.timed()) continue;
      AccStats(suite, shape, INT32_MAX);
      Absorb(suite, shape, /*running=*/true, /*folded=*/false);
      Absorb(suite, shape, /*running=*/true, /*folded=*/true);
      Absorb(suite, shape, /*running=*/false, /*folded=*/false);
      AbsorbBackward(suite, shape, /*mask=*/false, /*folded=*/false, QT_ELEMENT_F32,
                     QT_ELEMENT_F32, /*times_w_scale=*/true);
      AbsorbBackward(suite, shape, /*mask=*/true, /*folded=*/true, QT_ELEMENT_F32, QT_ELEMENT_F32,
                     /*times_w_scale=*/false);
      for (const Sums sums : {Sums::kAlone, Sums::kGiven}) {
        AbsorbBackward(suite, shape, /*mask=*/true, /*folded=*/false, QT_ELEMENT_F32,
                       QT_ELEMENT_BF16, /*times_w_scale=*/true, sums);
        AbsorbBackward(suite, shape, /*mask=*/true, /*folded=*/false, QT_ELEMENT_BF16,
                       QT_ELEMENT_BF16, /*times_w_scale=*/false, sums);
      }
      Requantize(suite, shape, QT_S8, /*relu=*/false, /*mask=*/true, /*bias=*/false);
      Requantize(suite, shape, QT_U8, /*relu=*/false, /*mask=*/false, /*bias=*/true);
      DequantizeAcc(suite, shape, /*bias=*/false, QT_ELEMENT_F32);
    }
    for (const int32_t type : kReals) {
      FloatToAcc(suite, size, /*accumulate=*/false, type);
      FloatToAcc(suite, size, /*accumulate=*/true, type);
    }
    if (suite.timed()) continue;
    AccRange(suite, size, /*bias=*/true, INFINITY);
    AccRange(suite, size, /*bias=*/true, 6.0f);
    AccRange(suite, size, /*bias=*/false, INFINITY);
    Multiplier(suite, size, 0);
    Multiplier(suite, size, 49);
  }
  if (suite.timed()) {
    Weights(suite, 1024, suite.Sizes()[0] / 1024);
  } else {
    for (const int64_t inner : {1, 9, 27, 1021}) Weights(suite, 17, inner);
    Weights(suite, 300, 33);
  }
}

}  // namespace qt::check
