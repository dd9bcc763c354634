// Argument checks: observers.
#include "checks/checker.h"
#include "math/histogram.h"

namespace qt {
namespace {

// Values that a device's memory holds are checked on the host only.
void Counts(Checker& c, const char* field, const int32_t* count) {
  if (c.HostValues()) c.Range(field, *count, 0, INT32_MAX);
}
void Counts(Checker& c, const char* field, const int64_t* counts, int64_t n) {
  for (int64_t i = 0; c.HostValues() && i < n; ++i) c.Range(field, counts[i], 0, int64_t{1} << 62);
}

void Momentum(Checker& c, const float* momentum) {
  c.In("momentum", momentum, 1);
  if (!c.HostValues()) return;
  c.Within("momentum", *momentum, 0.0f, 1.0f);
  if (c.ok()) c.Require(*momentum > 0.0f, "momentum", "> 0");
}

// The finest and the widest bins that there are.
void Exponents(Checker& c, const char* field, const int32_t* exponents, int64_t n) {
  for (int64_t i = 0; c.HostValues() && i < n; ++i) c.Range(field, exponents[i], math::kLeastExponent, math::kMostExponent);
}

void Bins(Checker& c, int32_t bins, int32_t is_signed) {
  c.Range("bins", bins, 2, 65536);
  if (c.ok()) c.Require(bins % 2 == 0, "bins", "an even number");
  c.Flag("is_signed", is_signed);
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_min_max_args& a) {
  Checker c(ctx, "min_max");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("min", a.min, a.channels);
  c.Out("max", a.max, a.channels);
  c.Out("nans", a.nans, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_update_range_args& a) {
  Checker c(ctx, "update_range");
  c.Sizes("channels", {a.channels});
  c.Range("rule", a.rule, QT_RANGE_EMA, QT_RANGE_EMA_DEBIASED);
  c.In("batch_min", a.batch_min, a.channels);
  c.In("batch_max", a.batch_max, a.channels);
  Momentum(c, a.momentum);
  c.Out("range_min", a.range_min, a.channels);
  c.Out("range_max", a.range_max, a.channels);
  c.Out("count", a.count, 1);
  Counts(c, "count", a.count);
  if (a.rule == QT_RANGE_EMA_DEBIASED) {
    c.Out("weight", a.weight, 1);
    c.Out("debiased_min", a.debiased_min, a.channels);
    c.Out("debiased_max", a.debiased_max, a.channels);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_merge_ranges_args& a) {
  Checker c(ctx, "merge_ranges");
  c.Sizes("channels", {a.channels});
  c.Range("rule", a.rule, QT_RANGE_EMA, QT_RANGE_EMA_DEBIASED);
  c.In("other_min", a.other_min, a.channels);
  c.In("other_max", a.other_max, a.channels);
  c.In("other_count", a.other_count, 1);
  Counts(c, "other_count", a.other_count);
  c.Out("range_min", a.range_min, a.channels);
  c.Out("range_max", a.range_max, a.channels);
  c.Out("count", a.count, 1);
  Counts(c, "count", a.count);
  if (a.rule == QT_RANGE_EMA_DEBIASED) {
    c.In("other_weight", a.other_weight, 1);
    c.Out("weight", a.weight, 1);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_range_to_qparams_args& a) {
  Checker c(ctx, "range_to_qparams");
  c.Sizes("channels", {a.channels});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Flag("symmetric", a.symmetric);
  if (a.symmetric) c.Range("qmax", a.qmax, 1, 65535);
  c.Flag("power_of_two", a.power_of_two);
  c.In("range_min", a.range_min, a.channels);
  c.In("range_max", a.range_max, a.channels);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_moments_args& a) {
  Checker c(ctx, "moments");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("count", a.count, a.channels);
  Counts(c, "count", a.count, a.channels);
  c.Out("mean", a.mean, a.channels);
  c.Out("m2", a.m2, a.channels);
  c.Out("mean_abs", a.mean_abs, a.channels);
  c.OutOptional("std", a.std, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_merge_moments_args& a) {
  Checker c(ctx, "merge_moments");
  c.Sizes("channels", {a.channels});
  c.In("other_count", a.other_count, a.channels);
  Counts(c, "other_count", a.other_count, a.channels);
  c.In("other_mean", a.other_mean, a.channels);
  c.In("other_m2", a.other_m2, a.channels);
  c.In("other_mean_abs", a.other_mean_abs, a.channels);
  c.Out("count", a.count, a.channels);
  Counts(c, "count", a.count, a.channels);
  c.Out("mean", a.mean, a.channels);
  c.Out("m2", a.m2, a.channels);
  c.Out("mean_abs", a.mean_abs, a.channels);
  c.OutOptional("std", a.std, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_std_range_args& a) {
  Checker c(ctx, "std_range");
  c.Sizes("channels", {a.channels});
  c.Within("k", a.k, 0.0f, 3.40282347e+38f);
  if (c.ok()) c.Require(a.k > 0.0f, "k", "> 0");
  c.In("range_min", a.range_min, a.channels);
  c.In("range_max", a.range_max, a.channels);
  c.In("count", a.count, a.channels);
  Counts(c, "count", a.count, a.channels);
  c.In("mean", a.mean, a.channels);
  c.In("std", a.std, a.channels);
  c.Out("min", a.min, a.channels, a.range_min);
  c.Out("max", a.max, a.channels, a.range_max);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_histogram_args& a) {
  Checker c(ctx, "histogram");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  Bins(c, a.bins, a.is_signed);
  const int64_t counts = c.Sizes("channels, bins", {a.channels, a.bins});
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("counts", a.counts, counts);
  c.Out("exponent", a.exponent, a.channels);
  Exponents(c, "exponent", a.exponent, a.channels);
  c.Out("nans", a.nans, a.channels);
  c.Out("infs", a.infs, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_merge_histograms_args& a) {
  Checker c(ctx, "merge_histograms");
  Bins(c, a.bins, a.is_signed);
  const int64_t counts = c.Sizes("channels, bins", {a.channels, a.bins});
  c.In("other_counts", a.other_counts, counts);
  c.In("other_exponent", a.other_exponent, a.channels);
  Exponents(c, "other_exponent", a.other_exponent, a.channels);
  c.In("other_nans", a.other_nans, a.channels);
  c.In("other_infs", a.other_infs, a.channels);
  c.Out("counts", a.counts, counts);
  c.Out("exponent", a.exponent, a.channels);
  Exponents(c, "exponent", a.exponent, a.channels);
  c.Out("nans", a.nans, a.channels);
  c.Out("infs", a.infs, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_top_k_args& a) {
  Checker c(ctx, "top_k");
  c.Range("n", a.n, 0, kMaxRows);
  c.Range("k", a.k, 1, 16384);
  c.RealType(a.element_type);
  c.RealIn("x", a.x, a.n, a.element_type);
  c.Out("largest", a.largest, a.k);
  c.Out("smallest", a.smallest, a.k);
  c.Out("count", a.count, 1);
  Counts(c, "count", a.count, 1);
  c.Out("nans", a.nans, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_merge_top_k_args& a) {
  Checker c(ctx, "merge_top_k");
  c.Range("k", a.k, 1, 16384);
  c.In("other_largest", a.other_largest, a.k);
  c.In("other_smallest", a.other_smallest, a.k);
  c.In("other_count", a.other_count, 1);
  Counts(c, "other_count", a.other_count, 1);
  c.In("other_nans", a.other_nans, 1);
  c.Out("largest", a.largest, a.k);
  c.Out("smallest", a.smallest, a.k);
  c.Out("count", a.count, 1);
  Counts(c, "count", a.count, 1);
  c.Out("nans", a.nans, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_percentile_range_args& a) {
  Checker c(ctx, "percentile_range");
  c.Range("k", a.k, 1, 16384);
  c.Require(a.max_percentile >= 0.5 && a.max_percentile <= 1.0, "max_percentile", "0.5..1");
  c.Require(a.min_percentile >= 0.5 && a.min_percentile <= 1.0, "min_percentile", "0.5..1");
  c.In("largest", a.largest, a.k);
  c.In("smallest", a.smallest, a.k);
  c.In("count", a.count, 1);
  Counts(c, "count", a.count, 1);
  c.Out("min", a.min, 1);
  c.Out("max", a.max, 1);
  c.Out("exact", a.exact, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_observe_fake_quant_args& a) {
  Checker c(ctx, "observe_fake_quant");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Range("channels", a.channels, 0, 1 << 20);
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Flag("symmetric", a.symmetric);
  if (a.symmetric) c.Range("qmax", a.qmax, 1, 65535);
  c.Range("mode", a.mode, QT_OBSERVE_EXACT, QT_OBSERVE_DELAYED);
  c.Range("rule", a.rule, QT_RANGE_EMA, QT_RANGE_MEAN);
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Require((a.y == nullptr) != (a.codes == nullptr), "y, codes", "one of them");
  if (a.codes != nullptr) {
    c.CodeGrid(a.qmin, a.qmax, a.code_type);
    c.OutBytes("codes", a.codes, n, 1);
  } else {
    c.RealOut("y", a.y, n, a.element_type, a.x);
  }
  c.MaskOut(a.mask, n);
  c.Out("range_min", a.range_min, a.channels);
  c.Out("range_max", a.range_max, a.channels);
  c.Out("count", a.count, 1);
  Counts(c, "count", a.count);
  Momentum(c, a.momentum);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  c.Out("nans", a.nans, 1);
  return c.Done();
}

}  // namespace qt
