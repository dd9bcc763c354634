// Observers.
#include <math.h>
#include <stdio.h>

#include "check/case.h"

namespace qt::check {
namespace {

template <class Args>
void SetShape(CallOf<Args>& c, const Layout& layout) {
  c.args.outer = layout.outer;
  c.args.channels = layout.channels;
  c.args.inner = layout.inner;
  c.elements = layout.elements();
}

void MinMax(Suite& suite, const Layout& layout, int32_t type) {
  auto& c = suite.Add("min_max", layout.name + TypeName(type), qt_min_max);
  c.RealIn(&c.args.x, type, Values(layout.elements(), 0.1f, -127, 127, 0, 21));
  c.args.element_type = type;
  c.Out(&c.args.min, layout.channels);
  c.Out(&c.args.max, layout.channels);
  c.Out(&c.args.nans, 1);
  SetShape(c, layout);
}

// Neither a number nor a positive zero.
void MinMaxOf(Suite& suite, const std::string& name, float value) {
  auto& c = suite.Add("min_max", name, qt_min_max);
  c.RealIn(&c.args.x, QT_ELEMENT_F32, std::vector<float>(77, value));
  c.Out(&c.args.min, 1);
  c.Out(&c.args.max, 1);
  c.Out(&c.args.nans, 1);
  SetShape(c, {name, 1, 1, 77});
}

const char* const kRules[] = {"EMA", "min/max", "mean", "debiased EMA"};

void UpdateRange(Suite& suite, int64_t channels, int32_t rule, int32_t count) {
  auto& c = suite.Add("update_range",
                      std::string(kRules[rule]) + ", count " + std::to_string(count),
                      qt_update_range);
  c.In(&c.args.batch_min, Uniform(channels, -2.0f, 0.5f, 1));
  c.In(&c.args.batch_max, Uniform(channels, -0.5f, 2.0f, 2));
  c.In(&c.args.momentum, std::vector<float>{0.01f});
  c.InOut(&c.args.range_min, Uniform(channels, -2.0f, 0.5f, 3));
  c.InOut(&c.args.range_max, Uniform(channels, -0.5f, 2.0f, 4));
  c.InOut(&c.args.count, std::vector<int32_t>{count});
  if (rule == QT_RANGE_EMA_DEBIASED) {
    c.InOut(&c.args.weight, std::vector<float>{0.07f});
    c.Out(&c.args.debiased_min, channels);
    c.Out(&c.args.debiased_max, channels);
  }
  c.args.channels = channels;
  c.args.rule = rule;
  c.elements = channels;
}

void MergeRanges(Suite& suite, int64_t channels, int32_t rule, int32_t count, int32_t other) {
  auto& c = suite.Add("merge_ranges",
                      std::string(kRules[rule]) + ", counts " + std::to_string(count) + " and " +
                          std::to_string(other),
                      qt_merge_ranges);
  c.In(&c.args.other_min, Uniform(channels, -2.0f, 0.5f, 1));
  c.In(&c.args.other_max, Uniform(channels, -0.5f, 2.0f, 2));
  c.In(&c.args.other_count, std::vector<int32_t>{other});
  c.InOut(&c.args.range_min, Uniform(channels, -2.0f, 0.5f, 3));
  c.InOut(&c.args.range_max, Uniform(channels, -0.5f, 2.0f, 4));
  c.InOut(&c.args.count, std::vector<int32_t>{count});
  if (rule == QT_RANGE_EMA_DEBIASED) {
    c.In(&c.args.other_weight, std::vector<float>{0.3f});
    c.InOut(&c.args.weight, std::vector<float>{0.07f});
  }
  c.args.channels = channels;
  c.args.rule = rule;
  c.elements = channels;
}

void RangeToQparams(Suite& suite, int64_t channels, bool symmetric, int32_t qmin, int32_t qmax,
                    bool power_of_two = false) {
  auto& c = suite.Add("range_to_qparams",
                      std::string(symmetric ? "symmetric" : "affine") +
                          (power_of_two ? ", powers of two" : ""),
                      qt_range_to_qparams);
  std::vector<float> min = Uniform(channels, -2.0f, 0.5f, 1);
  std::vector<float> max = Uniform(channels, -0.5f, 2.0f, 2);
  // One-sided, empty, denormal, without a number, on a power of two and without end.
  const float special[][2] = {{0.25f, 2.0f},   {-2.0f, -0.25f}, {0.0f, 0.0f},
                              {0.0f, 1e-45f},  {-1e-40f, 0.0f}, {NAN, 1.0f},
                              {0.0f, 127.0f},  {-3e38f, 0.0f},  {0.0f, INFINITY}};
  for (size_t i = 0; i < 9 && i < min.size(); ++i) {
    min[i] = special[i][0];
    max[i] = special[i][1];
  }
  c.In(&c.args.range_min, min);
  c.In(&c.args.range_max, max);
  c.Out(&c.args.scale, channels);
  c.Out(&c.args.zero_point, channels);
  c.args.channels = channels;
  c.args.qmin = qmin;
  c.args.qmax = qmax;
  c.args.symmetric = symmetric ? 1 : 0;
  c.args.power_of_two = power_of_two ? 1 : 0;
  c.elements = channels;
}

// Another tree of double additions, at most 2^12 levels deep, then one rounding to float: two units
// in the last place of the largest value.
double RoundedOnce(double largest) { return ldexp(largest, -22); }

void Moments(Suite& suite, const Layout& layout, int32_t type, bool fresh) {
  const int64_t n = layout.elements(), channels = layout.channels;
  auto& c = suite.Add("moments", layout.name + TypeName(type) + (fresh ? "" : ", merged"),
                      qt_moments);
  std::vector<float> x = Uniform(n, -3.0f, 1.0f, 5);
  const float special[] = {NAN, INFINITY, -INFINITY, 0.0f, -0.0f, 1e-45f};
  for (int64_t i = 2; i < n && !suite.timed(); i += 37) x[i] = special[i % 6];
  c.RealIn(&c.args.x, type, x);
  c.args.element_type = type;
  c.InOut(&c.args.count, fresh ? std::vector<int64_t>(channels, 0)
                               : std::vector<int64_t>(Integers<int64_t>(channels, 1, 5000, 6)));
  c.InOutSum(&c.args.mean, Uniform(channels, -1.0f, 1.0f, 7), RoundedOnce(3.0));
  c.InOutSum(&c.args.m2, Uniform(channels, 0.0f, 2.0f, 8),
             RoundedOnce(20.0 * static_cast<double>(n / channels + 5000)));
  c.InOutSum(&c.args.mean_abs, Uniform(channels, 0.0f, 1.0f, 9), RoundedOnce(3.0));
  c.OutSum(&c.args.std, channels, RoundedOnce(4.0));
  SetShape(c, layout);
}

void MergeMoments(Suite& suite, int64_t channels) {
  auto& c = suite.Add("merge_moments", "", qt_merge_moments);
  c.In(&c.args.other_count, Integers<int64_t>(channels, 0, 2, 1));
  c.In(&c.args.other_mean, Uniform(channels, -1.0f, 1.0f, 2));
  c.In(&c.args.other_m2, Uniform(channels, 0.0f, 2.0f, 3));
  c.In(&c.args.other_mean_abs, Uniform(channels, 0.0f, 1.0f, 4));
  c.InOut(&c.args.count, Integers<int64_t>(channels, 0, 2, 5));
  c.InOut(&c.args.mean, Uniform(channels, -1.0f, 1.0f, 6));
  c.InOut(&c.args.m2, Uniform(channels, 0.0f, 2.0f, 7));
  c.InOut(&c.args.mean_abs, Uniform(channels, 0.0f, 1.0f, 8));
  c.Out(&c.args.std, channels);
  c.args.channels = channels;
  c.elements = channels;
}

void StdRange(Suite& suite, int64_t channels, float k) {
  char variant[32];
  snprintf(variant, sizeof(variant), "k = %g", static_cast<double>(k));
  auto& c = suite.Add("std_range", variant, qt_std_range);
  std::vector<float> min = Uniform(channels, -4.0f, 0.0f, 1);
  std::vector<float> max = Uniform(channels, 0.0f, 4.0f, 2);
  std::vector<float> mean = Uniform(channels, -1.0f, 1.0f, 3);
  std::vector<float> std = Uniform(channels, 0.0f, 2.0f, 4);
  // A mean outside, an infinite end and deviation, one value, what no moments are.
  const float special[][4] = {{-1.0f, 1.0f, 5.0f, 0.1f},      {-1.0f, 1.0f, -5.0f, 0.1f},
                              {-INFINITY, 1.0f, 0.0f, 1.0f},  {-1.0f, 1.0f, 0.0f, INFINITY},
                              {0.5f, 0.5f, 0.5f, 0.0f},       {-1.0f, 1.0f, NAN, 1.0f}};
  for (size_t i = 0; i < 6 && i < min.size(); ++i) {
    min[i] = special[i][0];
    max[i] = special[i][1];
    mean[i] = special[i][2];
    std[i] = special[i][3];
  }
  c.In(&c.args.range_min, min);
  c.In(&c.args.range_max, max);
  c.In(&c.args.count, Integers<int64_t>(channels, 0, 5, 5));
  c.In(&c.args.mean, mean);
  c.In(&c.args.std, std);
  c.Out(&c.args.min, channels);
  c.MayBe(&c.args.range_min);
  c.Out(&c.args.max, channels);
  c.MayBe(&c.args.range_max);
  c.args.channels = channels;
  c.args.k = k;
  c.elements = channels;
}

void Histogram(Suite& suite, const Layout& layout, int32_t type, int32_t bins, bool is_signed,
               bool fresh) {
  const int64_t n = layout.elements(), channels = layout.channels;
  auto& c = suite.Add("histogram",
                      layout.name + TypeName(type) + ", " + std::to_string(bins) +
                          (is_signed ? " signed" : "") + (fresh ? " bins" : " bins, grown"),
                      qt_histogram);
  // Timed: as activations are; else with 1e30, denormals, Inf and NaN.
  c.RealIn(&c.args.x, type, suite.timed() ? Uniform(n, -3.0f, 3.0f, 3) : Values(n, 0.1f, -127, 127, 0, 22));
  c.args.element_type = type;
  c.InOut(&c.args.counts, fresh ? std::vector<int64_t>(channels * bins, 0)
                                : std::vector<int64_t>(
                                      Integers<int64_t>(channels * bins, 0, 9, 4)));
  std::vector<int32_t> exponent(channels, -126);
  for (int64_t i = 0; !fresh && i < channels; ++i) exponent[i] = static_cast<int32_t>(i % 140) - 20;
  c.InOut(&c.args.exponent, exponent);
  c.InOut(&c.args.nans, Integers<int64_t>(channels, 0, 9, 5));
  c.InOut(&c.args.infs, Integers<int64_t>(channels, 0, 9, 6));
  c.args.bins = bins;
  c.args.is_signed = is_signed ? 1 : 0;
  SetShape(c, layout);
}

void MergeHistograms(Suite& suite, int64_t channels, int32_t bins, bool is_signed) {
  auto& c = suite.Add("merge_histograms", is_signed ? "signed" : "magnitude", qt_merge_histograms);
  c.In(&c.args.other_counts, Integers<int64_t>(channels * bins, 0, 9, 1));
  c.In(&c.args.other_exponent, Integers<int32_t>(channels, -4, 4, 2));
  c.In(&c.args.other_nans, Integers<int64_t>(channels, 0, 9, 3));
  c.In(&c.args.other_infs, Integers<int64_t>(channels, 0, 9, 4));
  c.InOut(&c.args.counts, Integers<int64_t>(channels * bins, 0, 9, 5));
  c.InOut(&c.args.exponent, Integers<int32_t>(channels, -4, 4, 6));
  c.InOut(&c.args.nans, Integers<int64_t>(channels, 0, 9, 7));
  c.InOut(&c.args.infs, Integers<int64_t>(channels, 0, 9, 8));
  c.args.channels = channels;
  c.args.bins = bins;
  c.args.is_signed = is_signed ? 1 : 0;
  c.elements = channels * bins;
}

// k outermost values of a state that has seen `seen` numbers; sign 1: largest, -1: smallest.
std::vector<float> Outermost(int32_t k, int64_t seen, float sign) {
  std::vector<float> values(k, -sign * INFINITY);
  for (int64_t i = 0; i < k && i < seen; ++i) values[i] = sign * (2.0f - 0.125f * static_cast<float>(i));
  return values;
}

void TopK(Suite& suite, int64_t n, int32_t k, int32_t type, int64_t seen) {
  auto& c = suite.Add("top_k",
                      "k = " + std::to_string(k) + TypeName(type) + ", after " +
                          std::to_string(seen),
                      qt_top_k);
  c.RealIn(&c.args.x, type, suite.timed() ? Uniform(n, -3.0f, 3.0f, 3) : Values(n, 0.01f, -127, 127, 0, 23));
  c.args.element_type = type;
  c.InOut(&c.args.largest, Outermost(k, seen, 1.0f));
  c.InOut(&c.args.smallest, Outermost(k, seen, -1.0f));
  c.InOut(&c.args.count, std::vector<int64_t>{seen});
  c.InOut(&c.args.nans, std::vector<int64_t>{3});
  c.args.n = n;
  c.args.k = k;
  c.elements = n;
}

void MergeTopK(Suite& suite, int32_t k) {
  auto& c = suite.Add("merge_top_k", "k = " + std::to_string(k), qt_merge_top_k);
  c.In(&c.args.other_largest, Outermost(k, k / 2 + 1, 1.0f));
  c.In(&c.args.other_smallest, Outermost(k, k / 2 + 1, -1.0f));
  c.In(&c.args.other_count, std::vector<int64_t>{k / 2 + 1});
  c.In(&c.args.other_nans, std::vector<int64_t>{2});
  c.InOut(&c.args.largest, Outermost(k, 2 * k, 1.0f));
  c.InOut(&c.args.smallest, Outermost(k, 2 * k, -1.0f));
  c.InOut(&c.args.count, std::vector<int64_t>{2 * k});
  c.InOut(&c.args.nans, std::vector<int64_t>{3});
  c.args.k = k;
  c.elements = k;
}

void PercentileRange(Suite& suite, int32_t k, int64_t count, double percentile) {
  auto& c = suite.Add("percentile_range", std::to_string(percentile) + " of " + std::to_string(count),
                      qt_percentile_range);
  c.In(&c.args.largest, Outermost(k, count, 1.0f));
  c.In(&c.args.smallest, Outermost(k, count, -1.0f));
  c.In(&c.args.count, std::vector<int64_t>{count});
  c.Out(&c.args.min, 1);
  c.Out(&c.args.max, 1);
  c.Out(&c.args.exact, 1);
  c.args.k = k;
  c.args.max_percentile = percentile;
  c.args.min_percentile = 0.9;
  c.elements = k;
}

struct Fused {
  const char* name;
  int32_t mode, count, rule;
  bool symmetric, codes, mask;
};
constexpr Fused kFused[] = {
    {"delayed", QT_OBSERVE_DELAYED, 5, QT_RANGE_EMA, true, false, true},
    {"exact", QT_OBSERVE_EXACT, 5, QT_RANGE_EMA, true, false, true},
    {"delayed, codes", QT_OBSERVE_DELAYED, 5, QT_RANGE_EMA, false, true, true},
    {"delayed, first", QT_OBSERVE_DELAYED, 0, QT_RANGE_EMA, false, false, true},
    {"delayed, first, codes", QT_OBSERVE_DELAYED, 0, QT_RANGE_MIN_MAX, true, true, false},
    {"delayed, min/max, no mask", QT_OBSERVE_DELAYED, 1, QT_RANGE_MIN_MAX, true, false, false},
    {"exact, first", QT_OBSERVE_EXACT, 0, QT_RANGE_EMA, false, false, true},
    {"exact, codes", QT_OBSERVE_EXACT, 7, QT_RANGE_MIN_MAX, false, true, true},
    {"delayed, mean", QT_OBSERVE_DELAYED, 6, QT_RANGE_MEAN, false, false, true},
    {"exact, mean", QT_OBSERVE_EXACT, 6, QT_RANGE_MEAN, true, false, true},
};

void ObserveFakeQuant(Suite& suite, const Layout& layout, int32_t type, const Fused& fused) {
  const int64_t n = layout.elements(), channels = layout.channels;
  auto& c = suite.Add("observe_fake_quant", layout.name + TypeName(type) + ", " + fused.name,
                      qt_observe_fake_quant);
  // A range with Inf has no scale; NaN is quantized and counted.
  std::vector<float> x = Values(n, 0.02f, -127, 127, 0, 31, /*finite=*/true);
  for (int64_t i = 5; i < n; i += 41) x[i] = NAN;
  c.RealIn(&c.args.x, type, x);
  c.args.element_type = type;
  if (fused.codes) {
    c.OutBytes(&c.args.codes, n, 1);
  } else {
    c.RealOut(&c.args.y, type, n);
    c.MayBe(&c.args.x);
  }
  if (fused.mask) c.Out(&c.args.mask, (n + 7) / 8);
  c.InOut(&c.args.range_min, Uniform(channels, -2.0f, 0.25f, 1));
  c.InOut(&c.args.range_max, Uniform(channels, -0.25f, 2.0f, 2));
  c.InOut(&c.args.count, std::vector<int32_t>{fused.count});
  c.In(&c.args.momentum, std::vector<float>{0.05f});
  c.Out(&c.args.scale, channels);
  c.Out(&c.args.zero_point, channels);
  c.Out(&c.args.nans, 1);
  c.args.qmin = fused.symmetric ? -127 : -128;
  c.args.qmax = 127;
  c.args.symmetric = fused.symmetric ? 1 : 0;
  c.args.mode = fused.mode;
  c.args.rule = fused.rule;
  c.args.code_type = QT_S8;
  SetShape(c, layout);
}

// Values per channel: small kernels, of a fixed size.
void PerChannelCases(Suite& suite) {
  for (const int64_t channels : {1, 3, 70, 300}) {
    for (const int32_t rule :
         {QT_RANGE_EMA, QT_RANGE_MIN_MAX, QT_RANGE_MEAN, QT_RANGE_EMA_DEBIASED}) {
      for (const int32_t count : {0, 7, INT32_MAX}) UpdateRange(suite, channels, rule, count);
      MergeRanges(suite, channels, rule, 7, 7);
      MergeRanges(suite, channels, rule, 0, 5);
      MergeRanges(suite, channels, rule, 5, 0);
      MergeRanges(suite, channels, rule, 14, INT32_MAX);
    }
    RangeToQparams(suite, channels, true, -127, 127);
    RangeToQparams(suite, channels, false, 0, 255);
    RangeToQparams(suite, channels, false, -2, 1);
    RangeToQparams(suite, channels, false, -32768, 65535);
    RangeToQparams(suite, channels, true, -128, 127, /*power_of_two=*/true);
    RangeToQparams(suite, channels, true, -2, 1, /*power_of_two=*/true);
    RangeToQparams(suite, channels, false, 0, 255, /*power_of_two=*/true);
    MergeMoments(suite, channels);
    for (const float k : {0.5f, 3.0f, 1e38f}) StdRange(suite, channels, k);
    for (const int32_t bins : {2, 64, 2046}) {
      MergeHistograms(suite, channels, bins, false);
      MergeHistograms(suite, channels, bins, true);
    }
  }
  MinMaxOf(suite, "only NaN", NAN);
  MinMaxOf(suite, "only -0", -0.0f);
  for (const int32_t k : {1, 3, 100, 1000}) MergeTopK(suite, k);
  PercentileRange(suite, 10, 0, 0.999);
  PercentileRange(suite, 10, 1, 0.999);
  PercentileRange(suite, 10, 1000000, 0.99999);
  PercentileRange(suite, 10, 100, 0.8);
}

}  // namespace

void ObserveCases(Suite& suite) {
  if (!suite.timed()) {
    PerChannelCases(suite);
    // Planes without an element, however many.
    for (const int32_t type : kReals) {
      Histogram(suite, {"3 channels, empty planes", 5, 3, 0}, type, 64, true, false);
      Moments(suite, {"3 channels, empty planes", 5, 3, 0}, type, false);
      MinMax(suite, {"3 channels, empty planes", 5, 3, 0}, type);
      MinMax(suite, {"no channels", 5, 0, 3}, type);
      for (const Fused& fused : kFused) {
        ObserveFakeQuant(suite, {"no channels", 5, 0, 3}, type, fused);
        ObserveFakeQuant(suite, {"3 channels, empty planes", 5, 3, 0}, type, fused);
      }
    }
  }
  for (const int64_t size : suite.Sizes()) {
    for (const Layout& layout : Layouts(suite, size)) {
      for (const int32_t type : kReals) {
        MinMax(suite, layout, type);
        Moments(suite, layout, type, true);
        Histogram(suite, layout, type, suite.timed() ? 2048 : 64, false, true);
        for (const Fused& fused : kFused) {
          ObserveFakeQuant(suite, layout, type, fused);
          if (suite.timed() && fused.codes) break;
        }
        if (suite.timed()) continue;
        Moments(suite, layout, type, false);
        Histogram(suite, layout, type, 64, true, false);
        if (size == 207) Histogram(suite, layout, type, 6000, true, false);
      }
    }
    for (const int32_t type : kReals) {
      TopK(suite, size, suite.timed() ? 1024 : 10, type, 0);
      if (suite.timed()) continue;
      TopK(suite, size, 1, type, 5);
      TopK(suite, size, 300, type, 7);
      TopK(suite, size, 300, type, 400);
    }
  }
}

}  // namespace qt::check
