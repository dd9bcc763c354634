// Argument checks: float layers, loss, optimizers.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_batch_norm_stats_args& a) {
  Checker c(ctx, "batch_norm_stats");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.AllOrNone("running_mean, running_var", {a.running_mean, a.running_var});
  c.In("x", a.x, n);
  c.Out("mean", a.mean, a.channels);
  c.Out("var", a.var, a.channels);
  c.OutOptional("running_mean", a.running_mean, a.channels);
  c.OutOptional("running_var", a.running_var, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_args& a) {
  Checker c(ctx, "batch_norm");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Positive("epsilon", a.epsilon);
  c.In("x", a.x, n);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_backward_args& a) {
  Checker c(ctx, "batch_norm_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.Flag("frozen", a.frozen);
  c.In("x", a.x, n);
  c.In("dy", a.dy, n);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.Out("dx", a.dx, n, a.dy);
  c.Out("dgamma", a.dgamma, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_args& a) {
  Checker c(ctx, "relu");
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.In("x", a.x, n);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_backward_args& a) {
  Checker c(ctx, "relu_backward");
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.In("y", a.y, n);
  c.In("dy", a.dy, n);
  c.Out("dx", a.dx, n, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_args& a) {
  Checker c(ctx, "add");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("a", a.a, n);
  c.In("b", a.b, n);
  c.Out("y", a.y, n, a.a, a.b);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_bias_args& a) {
  Checker c(ctx, "add_bias");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("x", a.x, n);
  c.In("bias", a.bias, a.channels);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_channel_sum_args& a) {
  Checker c(ctx, "channel_sum");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("x", a.x, n);
  c.MaskIn(a.mask, n);
  c.Out("sum", a.sum, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_max_pool_args& a) {
  Checker c(ctx, "max_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Range("element_type", a.element_type, QT_ELEMENT_F32, QT_ELEMENT_S8);
  const int64_t bytes = ElementBytes(a.element_type);
  c.InBytes("x", a.x, input * bytes, bytes);
  c.OutBytes("y", a.y, output * bytes, bytes);
  if (a.argmax != nullptr) {
    c.Range("window.kernel_h * kernel_w", int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 256);
    c.Out("argmax", a.argmax, output);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_max_pool_backward_args& a) {
  Checker c(ctx, "max_pool_backward");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Range("window.kernel_h * kernel_w", int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 256);
  c.In("dy", a.dy, output);
  c.In("argmax", a.argmax, output);
  c.Out("dx", a.dx, input);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_args& a) {
  Checker c(ctx, "average_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Flag("count_padding", a.count_padding);
  c.In("x", a.x, input);
  c.Out("y", a.y, output);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_backward_args& a) {
  Checker c(ctx, "average_pool_backward");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Flag("count_padding", a.count_padding);
  c.In("dy", a.dy, output);
  c.Out("dx", a.dx, input);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_transpose_args& a) {
  Checker c(ctx, "transpose");
  const int64_t n = c.Sizes("n, h, w, c", {a.n, a.h, a.w, a.c});
  c.Require(a.element_bytes == 1 || a.element_bytes == 4, "element_bytes", "1 or 4");
  c.Flag("to_nchw", a.to_nchw);
  c.InBytes("x", a.x, n * a.element_bytes, a.element_bytes);
  c.OutBytes("y", a.y, n * a.element_bytes, a.element_bytes);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_softmax_cross_entropy_args& a) {
  Checker c(ctx, "softmax_cross_entropy");
  const int64_t n = c.Sizes("rows, classes", {a.rows, a.classes});
  c.Range("classes", a.classes, 1, INT32_MAX);
  c.Require(a.smoothing >= 0.0f && a.smoothing < 1.0f, "smoothing", "a number in [0, 1)");
  c.In("logits", a.logits, n);
  c.In("labels", a.labels, a.rows);
  for (int64_t i = 0; c.ok() && i < a.rows; ++i) c.Range("labels", a.labels[i], -1, a.classes - 1);
  c.Out("loss", a.loss, 1);
  c.Out("correct", a.correct, 1);
  c.OutOptional("dlogits", a.dlogits, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_sgd_args& a) {
  Checker c(ctx, "sgd");
  const int64_t n = c.Sizes("n", {a.n});
  c.Sizes("segments", {a.segments});
  c.Flag("nesterov", a.nesterov);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.In("grad", a.grad, n);
  c.In("learning_rate", a.learning_rate, 1);
  c.In("segment_end", a.segment_end, a.segments);
  c.In("segment_decay", a.segment_decay, a.segments);
  int64_t end = 0;
  for (int64_t i = 0; c.ok() && i < a.segments; ++i) {
    c.Range("segment_end", a.segment_end[i], end, n);
    end = a.segment_end[i];
  }
  c.Require(end == n, "segment_end", "the last one to be n");
  c.Out("param", a.param, n);
  c.Out("velocity", a.velocity, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_count_nonfinite_args& a) {
  Checker c(ctx, "count_nonfinite");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("x", a.x, n);
  c.Out("count", a.count, 1);
  return c.Done();
}

}  // namespace qt
