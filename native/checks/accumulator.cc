// Argument checks: accumulators: statistics, absorbed batch norm, requantize.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_acc_stats_args& a) {
  Checker c(ctx, "acc_stats");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.In("acc", a.acc, n);
  c.Out("sum", a.sum, a.channels);
  c.Out("sum_squares", a.sum_squares, c.Sizes("channels", {2, a.channels}));
  c.Out("min", a.min, a.channels);
  c.Out("max", a.max, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_absorb_args& a) {
  Checker c(ctx, "batch_norm_absorb");
  c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.In("sum", a.sum, a.channels);
  c.In("sum_squares", a.sum_squares, c.Sizes("channels", {2, a.channels}));
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, a.channels);
  c.AllOrNone("running_mean, running_var", {a.running_mean, a.running_var});
  c.OutOptional("running_mean", a.running_mean, a.channels);
  c.OutOptional("running_var", a.running_var, a.channels);
  if (a.fold_var != nullptr) c.Variances("fold_var", a.fold_var, a.channels);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.Out("mean", a.mean, a.channels);
  c.Out("inv_std", a.inv_std, a.channels);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  c.Out("keep", a.keep, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_absorb_backward_args& a) {
  Checker c(ctx, "batch_norm_absorb_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Range("rows", a.rows, 1, kMaxRows);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.MaskIn(a.mask, n);
  c.In("acc", a.acc, n);
  c.In("gamma", a.gamma, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, a.channels);
  c.In("mean", a.mean, a.channels);
  c.In("inv_std", a.inv_std, a.channels);
  if (a.fold_var != nullptr) {
    c.Positive("epsilon", a.epsilon);
    c.Variances("fold_var", a.fold_var, a.channels);
  }
  c.RealType(a.du_type, "du_type");
  c.Flag("times_w_scale", a.times_w_scale);
  c.Require(a.sum_rows == 0 || a.fold_var == nullptr, "fold_var", "null where sums are given");
  c.BatchGradient("du", a.du, n, a.du_type, a.element_type == a.du_type ? a.dy : nullptr, a);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_fold_weight_args& a) {
  Checker c(ctx, "fold_weight");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
  c.Flag("per_tensor", a.per_tensor);
  c.Flag("power_of_two", a.power_of_two);
  c.Require(a.power_of_two == 0 || a.per_tensor == 1, "power_of_two", "0 unless per_tensor is 1");
  c.AllOrNone("gamma, beta, mean, var", {a.gamma, a.beta, a.mean, a.var});
  if (a.gamma != nullptr) c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.InOptional("gamma", a.gamma, a.channels);
  c.InOptional("beta", a.beta, a.channels);
  c.InOptional("mean", a.mean, a.channels);
  c.InOptional("var", a.var, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Require(a.learned_scale == nullptr || a.per_tensor == 0, "learned_scale", "null per tensor");
  if (a.learned_scale != nullptr) c.Scales("learned_scale", a.learned_scale, a.channels);
  c.Out("codes", a.codes, n);
  c.Out("w_scale", a.w_scale, a.channels);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_fold_weight_backward_args& a) {
  Checker c(ctx, "fold_weight_backward");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
  c.Flag("per_tensor", a.per_tensor);
  c.AllOrNone("gamma, mean, var", {a.gamma, a.mean, a.var});
  if (a.gamma != nullptr) c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("dw_folded", a.dw_folded, n);
  c.In("dbias", a.dbias, a.channels);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.InOptional("gamma", a.gamma, a.channels);
  c.InOptional("mean", a.mean, a.channels);
  c.InOptional("var", a.var, a.channels);
  c.Require(a.learned_scale == nullptr || a.per_tensor == 0, "learned_scale", "null per tensor");
  if (a.learned_scale != nullptr) c.Scales("learned_scale", a.learned_scale, a.channels);
  c.OutOptional("dw", a.dw, n);
  c.OutOptional("dconv_bias", a.dconv_bias, a.channels);
  if (a.gamma != nullptr) {
    c.OutOptional("dgamma", a.dgamma, a.channels);
    c.OutOptional("dbeta", a.dbeta, a.channels);
  } else {
    c.Require(a.dgamma == nullptr && a.dbeta == nullptr, "dgamma, dbeta", "null without gamma");
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_acc_range_args& a) {
  Checker c(ctx, "acc_range");
  c.Range("channels", a.channels, 1, kMaxElements);
  c.Flag("relu", a.relu);
  c.Require(a.upper == a.upper, "upper", "a number, got NaN");
  c.In("acc_min", a.acc_min, a.channels);
  c.In("acc_max", a.acc_max, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Out("min", a.min, 1);
  c.Out("max", a.max, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_multiplier_args& a) {
  Checker c(ctx, "multiplier");
  c.Sizes("channels", {a.channels});
  c.Range("pool_count", a.pool_count, 0, int64_t{1} << 24);
  c.Scales("out_scale", a.out_scale, a.pool_count > 0 ? 1 : a.channels);
  c.Scales("y_scale", a.y_scale, 1);
  c.Out("multiplier", a.multiplier, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_requantize_args& a) {
  Checker c(ctx, "requantize");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.Flag("relu", a.relu);
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.In("multiplier", a.multiplier, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dequantize_acc_args& a) {
  Checker c(ctx, "dequantize_acc");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  c.RealOut("y", a.y, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_float_to_acc_args& a) {
  Checker c(ctx, "float_to_acc");
  const int64_t n = c.Sizes("n", {a.n});
  c.RealType(a.element_type);
  c.Flag("accumulate", a.accumulate);
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("acc", a.acc, n);
  return c.Done();
}

}  // namespace qt
