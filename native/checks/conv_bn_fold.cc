// Argument checks: conv-BN fold with correction.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_conv_bn_statistics_args& a) {
  Checker c(ctx, "conv_bn_statistics");
  c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.Range("order", a.order, QT_STATISTICS_PREVIOUS, QT_STATISTICS_UPDATED);
  c.In("batch_mean", a.batch_mean, a.channels);
  c.In("batch_var", a.batch_var, a.channels);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.Out("running_mean", a.running_mean, a.channels);
  c.Out("running_var", a.running_var, a.channels);
  c.Out("fold_var", a.fold_var, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_fold_args& a) {
  Checker c(ctx, "conv_bn_fold");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("gamma", a.gamma, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.Out("w_folded", a.w_folded, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_fold_backward_args& a) {
  Checker c(ctx, "conv_bn_fold_backward");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("dw_folded", a.dw_folded, n);
  c.In("gamma", a.gamma, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.Out("dw", a.dw, n);
  c.Out("dgamma", a.dgamma, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_correct_args& a) {
  Checker c(ctx, "conv_bn_correct");
  c.Sizes("channels", {a.channels});
  c.Positive("epsilon", a.epsilon);
  c.In("batch_mean", a.batch_mean, a.channels);
  c.In("batch_var", a.batch_var, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, 1);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_correct_backward_args& a) {
  Checker c(ctx, "conv_bn_correct_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Positive("epsilon", a.epsilon);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.MaskIn(a.mask, n);
  c.In("acc", a.acc, n);
  c.In("batch_mean", a.batch_mean, a.channels);
  c.In("batch_var", a.batch_var, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, 1);
  c.Flag("frozen", a.frozen);
  c.Require(a.frozen != 0 || (a.conv_bias == nullptr && a.dconv_bias == nullptr),
            "conv_bias, dconv_bias", "null before freezing");
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.OutOptional("dconv_bias", a.dconv_bias, a.channels);
  c.RealOut("d_out", a.d_out, n, a.element_type);
  c.Out("dgamma", a.dgamma, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  c.Out("dmean", a.dmean, a.channels);
  c.Out("dsigma", a.dsigma, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_stats_backward_args& a) {
  Checker c(ctx, "batch_norm_stats_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.RealIn("x", a.x, n, a.element_type);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("dmean", a.dmean, a.channels);
  c.In("dsigma", a.dsigma, a.channels);
  c.RealOut("dx", a.dx, n, a.element_type);
  return c.Done();
}

}  // namespace qt
