// The two-convolution fold with correction.
#include <math.h>

#include "check/case.h"

namespace qt::check {
namespace {

// Gammas of every kind: 0, tiny, negative, plain.
std::vector<float> Gammas(int64_t channels, uint32_t seed) {
  const float special[] = {0.0f, -0.0f, 1e-30f, -1e-30f, 1e-45f};
  std::vector<float> gamma = Uniform(channels, -1.5f, 1.5f, seed);
  for (int64_t c = 0; c < channels; ++c) {
    if (c % 7 == 2) gamma[c] = special[c / 7 % 5];
  }
  return gamma;
}

void Fold(Suite& suite, int64_t channels, int64_t inner) {
  auto& c = suite.Add("conv_bn_fold", "", qt_conv_bn_fold);
  c.In(&c.args.w, Uniform(channels * inner, -0.7f, 0.7f, 1));
  c.In(&c.args.gamma, Gammas(channels, 2));
  c.In(&c.args.running_var, Uniform(channels, 0.0f, 4.0f, 3));
  c.Out(&c.args.w_folded, channels * inner);
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.epsilon = 1e-5f;
  c.elements = channels * inner;
}

void FoldBackward(Suite& suite, int64_t channels, int64_t inner) {
  auto& c = suite.Add("conv_bn_fold_backward", "", qt_conv_bn_fold_backward);
  c.In(&c.args.w, Uniform(channels * inner, -0.7f, 0.7f, 1));
  c.In(&c.args.dw_folded, Uniform(channels * inner, -1.0f, 1.0f, 4));
  c.In(&c.args.gamma, Gammas(channels, 2));
  c.In(&c.args.running_var, Uniform(channels, 0.01f, 4.0f, 3));
  c.Out(&c.args.dw, channels * inner);
  // 1 / sigma <= 10; the terms are the same floats, summed in double; two roundings of the result.
  c.InOutSum(&c.args.dgamma, Uniform(channels, -1.0f, 1.0f, 5),
             10.0 * ldexp(1.0, -23) * (static_cast<double>(inner) + 2.0));
  c.args.channels = channels;
  c.args.inner = inner;
  c.args.epsilon = 1e-5f;
  c.elements = channels * inner;
}

void Statistics(Suite& suite, int64_t channels, int32_t order, bool bias) {
  auto& c = suite.Add("conv_bn_statistics",
                      std::string(order == QT_STATISTICS_UPDATED ? "updated" : "previous") +
                          (bias ? "" : ", no bias"),
                      qt_conv_bn_statistics);
  c.In(&c.args.batch_mean, Uniform(channels, -1.0f, 1.0f, 6));
  c.In(&c.args.batch_var, Uniform(channels, 0.0f, 4.0f, 7));
  if (bias) c.In(&c.args.conv_bias, Uniform(channels, -1.0f, 1.0f, 8));
  const std::vector<float> running_var = Uniform(channels, 0.0f, 4.0f, 9);
  c.InOut(&c.args.running_mean, Uniform(channels, -1.0f, 1.0f, 10));
  c.InOut(&c.args.running_var, running_var);
  c.Out(&c.args.fold_var, channels);
  if (order == QT_STATISTICS_PREVIOUS) c.Expect(running_var);
  c.args.rows = bias ? 17 : 1;
  c.args.channels = channels;
  c.args.momentum = 0.1f;
  c.args.order = order;
  c.elements = channels;
}

void Correct(Suite& suite, int64_t channels, bool frozen) {
  auto& c = suite.Add("conv_bn_correct", frozen ? "frozen" : "", qt_conv_bn_correct);
  c.In(&c.args.batch_mean, Uniform(channels, -1.0f, 1.0f, 11));
  c.In(&c.args.batch_var, Uniform(channels, 0.0f, 4.0f, 12));
  c.In(&c.args.running_var, Uniform(channels, 0.0f, 4.0f, frozen ? 12 : 13));
  if (frozen) c.In(&c.args.conv_bias, Uniform(channels, -1.0f, 1.0f, 16));
  c.In(&c.args.gamma, Gammas(channels, 14));
  c.In(&c.args.beta, Uniform(channels, -2.0f, 2.0f, 15));
  c.In(&c.args.x_scale, std::vector<float>{0.021f});
  c.In(&c.args.w_scale, std::vector<float>{0.0043f});
  c.Out(&c.args.out_scale, channels);
  c.Out(&c.args.bias, channels);
  c.args.channels = channels;
  c.args.epsilon = 1e-5f;
  c.elements = channels;
}

void CorrectBackward(Suite& suite, int64_t rows, int64_t channels, bool mask, bool frozen,
                     int32_t type) {
  auto& c = suite.Add("conv_bn_correct_backward",
                      std::to_string(channels) + " channels" + (mask ? "" : ", no mask") +
                          (frozen ? ", frozen" : "") + TypeName(type),
                      qt_conv_bn_correct_backward);
  const int64_t n = rows * channels;
  c.RealIn(&c.args.dy, type, Uniform(n, -1.0f, 1.0f, 21));
  if (mask) c.In(&c.args.mask, RandomMask(n, 22));
  // |o| = 1e-3 * |acc| <= 1.
  c.In(&c.args.acc, Integers<int32_t>(n, -1000, 1000, 23));
  c.In(&c.args.batch_mean, Uniform(channels, -1.0f, 1.0f, 24));
  c.In(&c.args.batch_var, Uniform(channels, 0.25f, 4.0f, 25));
  c.In(&c.args.running_var, Uniform(channels, 0.25f, 4.0f, frozen ? 25 : 26));
  c.In(&c.args.gamma, Gammas(channels, 27));
  c.In(&c.args.x_scale, std::vector<float>{0.01f});
  c.In(&c.args.w_scale, std::vector<float>{0.1f});
  c.RealOut(&c.args.d_out, type, n);
  // Terms <= 1, 600 roundings deep at most.
  const double bound = 600.0 * ldexp(1.0, -24) * static_cast<double>(rows);
  if (frozen) {
    c.In(&c.args.conv_bias, Uniform(channels, -1.0f, 1.0f, 28));
    c.OutSum(&c.args.dconv_bias, channels, 3.0 * bound);
    c.args.frozen = 1;
  }
  c.OutSum(&c.args.dgamma, channels, 4.0 * bound);  // |mean - conv_bias| / sigma <= 4
  c.OutSum(&c.args.dbeta, channels, bound);
  c.OutSum(&c.args.dmean, channels, 3.0 * bound);   // |gamma| / sigma <= 3
  c.OutSum(&c.args.dsigma, channels, 14.0 * bound); // (|gamma mean| + sigma_r) / sigma^2 <= 14
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.epsilon = 1e-5f;
  c.args.element_type = type;
  c.elements = n;
}

void StatsBackward(Suite& suite, int64_t rows, int64_t channels, int32_t type) {
  auto& c = suite.Add("batch_norm_stats_backward",
                      std::to_string(channels) + " channels" + TypeName(type),
                      qt_batch_norm_stats_backward);
  const int64_t n = rows * channels;
  c.RealIn(&c.args.x, type, Uniform(n, -1.0f, 1.0f, 31));
  c.In(&c.args.mean, Uniform(channels, -1.0f, 1.0f, 32));
  c.In(&c.args.var, Uniform(channels, 0.0f, 4.0f, 33));
  c.In(&c.args.dmean, Uniform(channels, -1.0f, 1.0f, 34));
  c.In(&c.args.dsigma, Uniform(channels, -1.0f, 1.0f, 35));
  c.RealOut(&c.args.dx, type, n);
  c.args.element_type = type;
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.epsilon = 1e-5f;
  c.elements = n;
}

// ---- gradients against finite differences, in double, of the formulas as the papers state them

constexpr int64_t kRows = 23, kChannels = 5;
constexpr double kEpsilon = 1e-3;

// d f / d *v by central differences.
template <class F>
double Slope(double* v, double step, F f) {
  const double at = *v;
  *v = at + step;
  const double above = f();
  *v = at - step;
  const double below = f();
  *v = at;
  return (above - below) / (2.0 * step);
}

struct Moments {
  double mean, var;
};

Moments MomentsOf(const std::vector<double>& x) {
  Moments m = {0.0, 0.0};
  for (const double v : x) m.mean += v / static_cast<double>(x.size());
  for (const double v : x) m.var += (v - m.mean) * (v - m.mean) / static_cast<double>(x.size());
  return m;
}

// One convolution: sum of dy * (gamma * (o / g - mean) / sqrt(var + epsilon) + beta) with g = gamma /
// sqrt(fold_var + epsilon), mean and var those of o / g. The gradient of gamma is the explicit one:
// what goes through o = conv(x, W * g) is conv_bn_fold_backward's. At gamma = 0, where o is 0, the
// gain is 1 and nothing is known of the normalized value.
void OneConvolutionGradient(Suite& suite) {
  auto& c = suite.Add("batch_norm_absorb_backward", "one convolution, finite differences",
                      qt_batch_norm_absorb_backward);
  const std::vector<float> gamma = {0.8f, -0.6f, 0.0f, 1e-3f, 1.2f};
  // The fourth channel's deviation is comparable to epsilon * g^2.
  const std::vector<float> w_scale = {0.02f, 0.01f, 0.01f, 1e-5f, 0.03f};
  const std::vector<float> fold_var = Uniform(kChannels, 0.5f, 2.0f, 43);
  const float x_scale = 0.01f;
  const std::vector<float> dy = Uniform(kRows * kChannels, -1.0f, 1.0f, 41);
  std::vector<int32_t> acc = Integers<int32_t>(kRows * kChannels, -300, 500, 42);
  std::vector<float> mean, inv_std, du(kRows * kChannels), dgamma, dbeta;
  for (int64_t ch = 0; ch < kChannels; ++ch) {
    double g0 = gamma[ch], beta = 0.3, sum_d = 0.0;
    std::vector<double> o(kRows), d(kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      if (g0 == 0.0) acc[r * kChannels + ch] = 0;
      o[r] = static_cast<double>(x_scale * w_scale[ch]) * acc[r * kChannels + ch];
      d[r] = dy[r * kChannels + ch];
      sum_d += d[r];
    }
    const auto loss = [&] {
      const double g = g0 / sqrt(fold_var[ch] + kEpsilon);
      std::vector<double> u(kRows);
      for (int64_t r = 0; r < kRows; ++r) u[r] = o[r] / g;
      const Moments m = MomentsOf(u);
      double sum = 0.0;
      for (int64_t r = 0; r < kRows; ++r) {
        sum += d[r] * (g0 * (u[r] - m.mean) / sqrt(m.var + kEpsilon) + beta);
      }
      return sum;
    };
    const Moments m = MomentsOf(o);
    const double g = g0 / sqrt(fold_var[ch] + kEpsilon);
    mean.push_back(static_cast<float>(m.mean));
    inv_std.push_back(g0 == 0.0 ? 0.0f : static_cast<float>(1.0 / sqrt(m.var + kEpsilon * g * g)));
    dbeta.push_back(static_cast<float>(sum_d));
    dgamma.push_back(g0 == 0.0 ? 0.0f : static_cast<float>(Slope(&g0, 1e-5 * fabs(g0), loss)));
    for (int64_t r = 0; r < kRows; ++r) {
      const double slope = g0 == 0.0 ? d[r] - sum_d / static_cast<double>(kRows)
                                     : Slope(&o[r], 1e-4 * sqrt(m.var), loss);
      du[r * kChannels + ch] = static_cast<float>(slope);
    }
  }
  c.In(&c.args.dy, dy);
  c.In(&c.args.acc, acc);
  c.In(&c.args.gamma, gamma);
  c.In(&c.args.x_scale, std::vector<float>{x_scale});
  c.In(&c.args.w_scale, w_scale);
  c.In(&c.args.mean, mean);
  c.In(&c.args.inv_std, inv_std);
  c.In(&c.args.fold_var, fold_var);
  c.RealOutSum(&c.args.du, QT_ELEMENT_F32, kRows * kChannels, 1e-3);
  c.ExpectNear(du, 1e-3);  // gains reach 50: a few parts in 2^24 of sums of 23 terms
  c.OutSum(&c.args.dgamma, kChannels, 1e-4);
  c.ExpectNear(dgamma, 1e-4);
  c.OutSum(&c.args.dbeta, kChannels, 1e-5);
  c.ExpectNear(dbeta, 1e-5);
  c.args.rows = kRows;
  c.args.channels = kChannels;
  c.args.epsilon = static_cast<float>(kEpsilon);
  c.elements = kRows * kChannels;
}

// Two convolutions: sum of dy * (o * sigma_r / sigma_B + beta - gamma * mean_B / sigma_B), by o,
// gamma, beta, mean_B and sigma_B; frozen: sum of dy * (o + beta - gamma * (mean_r - b) / sigma_r),
// by o, gamma, beta and b.
void CorrectionGradient(Suite& suite, bool frozen) {
  auto& c = suite.Add("conv_bn_correct_backward",
                      std::string(frozen ? "frozen, " : "") + "finite differences",
                      qt_conv_bn_correct_backward);
  const std::vector<float> gamma = {0.8f, -0.6f, 0.0f, 1e-3f, 1.2f};
  const std::vector<float> mean = Uniform(kChannels, -1.0f, 1.0f, 51);
  const std::vector<float> var = Uniform(kChannels, 0.5f, 2.0f, 52);
  const std::vector<float> running_var =
      frozen ? var : std::vector<float>(Uniform(kChannels, 0.5f, 2.0f, 53));
  const std::vector<float> bias = Uniform(kChannels, -1.0f, 1.0f, 54);
  const float x_scale = 0.01f, w_scale = 0.1f;
  const std::vector<float> dy = Uniform(kRows * kChannels, -1.0f, 1.0f, 55);
  const std::vector<int32_t> acc = Integers<int32_t>(kRows * kChannels, -1000, 1000, 56);
  std::vector<float> d_out(kRows * kChannels), dgamma, dbeta, dmean, dsigma, dbias;
  for (int64_t ch = 0; ch < kChannels; ++ch) {
    double g = gamma[ch], beta = 0.3, mu = mean[ch], b = frozen ? bias[ch] : 0.0;
    double sigma = sqrt(var[ch] + kEpsilon);
    const double sigma_r = sqrt(running_var[ch] + kEpsilon);
    std::vector<double> o(kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      o[r] = static_cast<double>(x_scale * w_scale) * acc[r * kChannels + ch];
    }
    const auto loss = [&] {
      double sum = 0.0;
      for (int64_t r = 0; r < kRows; ++r) {
        const double y = frozen ? o[r] + beta - g * (mu - b) / sigma_r
                                : o[r] * sigma_r / sigma + beta - g * mu / sigma;
        sum += dy[r * kChannels + ch] * y;
      }
      return sum;
    };
    const double step = 1e-5;
    dgamma.push_back(static_cast<float>(Slope(&g, step, loss)));
    dbeta.push_back(static_cast<float>(Slope(&beta, step, loss)));
    dmean.push_back(frozen ? 0.0f : static_cast<float>(Slope(&mu, step, loss)));
    dsigma.push_back(frozen ? 0.0f : static_cast<float>(Slope(&sigma, step, loss)));
    dbias.push_back(static_cast<float>(Slope(&b, step, loss)));
    for (int64_t r = 0; r < kRows; ++r) {
      d_out[r * kChannels + ch] = static_cast<float>(Slope(&o[r], step, loss));
    }
  }
  const double distance = 1e-4;  // sums of 23 terms of at most 4, in float
  c.In(&c.args.dy, dy);
  c.In(&c.args.acc, acc);
  c.In(&c.args.batch_mean, mean);
  c.In(&c.args.batch_var, var);
  c.In(&c.args.running_var, running_var);
  c.In(&c.args.gamma, gamma);
  c.In(&c.args.x_scale, std::vector<float>{x_scale});
  c.In(&c.args.w_scale, std::vector<float>{w_scale});
  if (frozen) {
    c.In(&c.args.conv_bias, bias);
    c.OutSum(&c.args.dconv_bias, kChannels, distance);
    c.ExpectNear(dbias, distance);
  }
  c.RealOut(&c.args.d_out, QT_ELEMENT_F32, kRows * kChannels);
  c.ExpectNear(d_out, distance);
  c.OutSum(&c.args.dgamma, kChannels, distance);
  c.ExpectNear(dgamma, distance);
  c.OutSum(&c.args.dbeta, kChannels, distance);
  c.ExpectNear(dbeta, distance);
  c.OutSum(&c.args.dmean, kChannels, distance);
  c.ExpectNear(dmean, distance);
  c.OutSum(&c.args.dsigma, kChannels, distance);
  c.ExpectNear(dsigma, distance);
  c.args.rows = kRows;
  c.args.channels = kChannels;
  c.args.epsilon = static_cast<float>(kEpsilon);
  c.args.frozen = frozen ? 1 : 0;
  c.elements = kRows * kChannels;
}

}  // namespace

void ConvBnFoldCases(Suite& suite) {
  if (!suite.timed()) {
    OneConvolutionGradient(suite);
    CorrectionGradient(suite, /*frozen=*/false);
    CorrectionGradient(suite, /*frozen=*/true);
  }
  for (const int64_t size : suite.Sizes()) {
    const std::vector<int64_t> channel_counts =
        suite.timed() ? std::vector<int64_t>{64} : std::vector<int64_t>{1, 3, 70, 300};
    for (const int64_t channels : channel_counts) {
      const int64_t rows = (size + channels - 1) / channels;
      for (const int32_t type : kReals) {
        CorrectBackward(suite, rows, channels, /*mask=*/true, /*frozen=*/false, type);
        StatsBackward(suite, rows, channels, type);
      }
      if (suite.timed()) continue;
      CorrectBackward(suite, rows, channels, /*mask=*/false, /*frozen=*/false, QT_ELEMENT_F32);
      CorrectBackward(suite, rows, channels, /*mask=*/true, /*frozen=*/true, QT_ELEMENT_F32);
    }
    if (suite.timed()) continue;
    Correct(suite, size, /*frozen=*/false);
    Correct(suite, size, /*frozen=*/true);
    Statistics(suite, size, QT_STATISTICS_PREVIOUS, /*bias=*/true);
    Statistics(suite, size, QT_STATISTICS_UPDATED, /*bias=*/true);
    Statistics(suite, size, QT_STATISTICS_UPDATED, /*bias=*/false);
  }
  if (suite.timed()) {
    Fold(suite, 1024, suite.Sizes()[0] / 1024);
    FoldBackward(suite, 1024, suite.Sizes()[0] / 1024);
    return;
  }
  for (const int64_t inner : {1, 9, 27, 1021}) {
    Fold(suite, 33, inner);
    FoldBackward(suite, 33, inner);
  }
}

}  // namespace qt::check
