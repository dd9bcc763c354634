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

void Correct(Suite& suite, int64_t channels) {
  auto& c = suite.Add("conv_bn_correct", "", qt_conv_bn_correct);
  c.In(&c.args.batch_mean, Uniform(channels, -1.0f, 1.0f, 11));
  c.In(&c.args.batch_var, Uniform(channels, 0.0f, 4.0f, 12));
  c.In(&c.args.running_var, Uniform(channels, 0.0f, 4.0f, 13));
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

void CorrectBackward(Suite& suite, int64_t rows, int64_t channels, bool mask) {
  auto& c = suite.Add("conv_bn_correct_backward",
                      std::to_string(channels) + " channels" + (mask ? "" : ", no mask"),
                      qt_conv_bn_correct_backward);
  const int64_t n = rows * channels;
  c.In(&c.args.dy, Uniform(n, -1.0f, 1.0f, 21));
  if (mask) c.In(&c.args.mask, RandomMask(n, 22));
  // |o| = 1e-3 * |acc| <= 1.
  c.In(&c.args.acc, Integers<int32_t>(n, -1000, 1000, 23));
  c.In(&c.args.batch_mean, Uniform(channels, -1.0f, 1.0f, 24));
  c.In(&c.args.batch_var, Uniform(channels, 0.25f, 4.0f, 25));
  c.In(&c.args.running_var, Uniform(channels, 0.25f, 4.0f, 26));
  c.In(&c.args.gamma, Gammas(channels, 27));
  c.In(&c.args.x_scale, std::vector<float>{0.01f});
  c.In(&c.args.w_scale, std::vector<float>{0.1f});
  c.Out(&c.args.d_out, n);
  // Terms <= 1, 600 roundings deep at most.
  const double bound = 600.0 * ldexp(1.0, -24) * static_cast<double>(rows);
  c.OutSum(&c.args.dgamma, channels, 2.0 * bound);  // |mean| / sigma <= 2
  c.OutSum(&c.args.dbeta, channels, bound);
  c.OutSum(&c.args.dmean, channels, 3.0 * bound);   // |gamma| / sigma <= 3
  c.OutSum(&c.args.dsigma, channels, 14.0 * bound); // (|gamma mean| + sigma_r) / sigma^2 <= 14
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.epsilon = 1e-5f;
  c.elements = n;
}

void StatsBackward(Suite& suite, int64_t rows, int64_t channels) {
  auto& c = suite.Add("batch_norm_stats_backward", std::to_string(channels) + " channels",
                      qt_batch_norm_stats_backward);
  const int64_t n = rows * channels;
  c.In(&c.args.x, Uniform(n, -1.0f, 1.0f, 31));
  c.In(&c.args.mean, Uniform(channels, -1.0f, 1.0f, 32));
  c.In(&c.args.var, Uniform(channels, 0.0f, 4.0f, 33));
  c.In(&c.args.dmean, Uniform(channels, -1.0f, 1.0f, 34));
  c.In(&c.args.dsigma, Uniform(channels, -1.0f, 1.0f, 35));
  c.Out(&c.args.dx, n);
  c.args.rows = rows;
  c.args.channels = channels;
  c.args.epsilon = 1e-5f;
  c.elements = n;
}

}  // namespace

void ConvBnFoldCases(Suite& suite) {
  for (const int64_t size : suite.Sizes()) {
    const std::vector<int64_t> channel_counts =
        suite.timed() ? std::vector<int64_t>{64} : std::vector<int64_t>{1, 3, 70, 300};
    for (const int64_t channels : channel_counts) {
      const int64_t rows = (size + channels - 1) / channels;
      CorrectBackward(suite, rows, channels, /*mask=*/true);
      StatsBackward(suite, rows, channels);
      if (!suite.timed()) CorrectBackward(suite, rows, channels, /*mask=*/false);
    }
    if (!suite.timed()) Correct(suite, size);
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
