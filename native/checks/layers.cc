// Argument checks: float layers.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_batch_norm_stats_args& a) {
  Checker c(ctx, "batch_norm_stats");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.AllOrNone("running_mean, running_var", {a.running_mean, a.running_var});
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("mean", a.mean, a.channels);
  c.Out("var", a.var, a.channels);
  c.OutOptional("running_mean", a.running_mean, a.channels);
  c.OutOptional("running_var", a.running_var, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_args& a) {
  Checker c(ctx, "batch_norm");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Positive("epsilon", a.epsilon);
  c.RealIn("x", a.x, n, a.element_type);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_backward_args& a) {
  Checker c(ctx, "batch_norm_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.Flag("frozen", a.frozen);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.BatchGradient("dx", a.dx, n, a.element_type, a.dy, a);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_args& a) {
  Checker c(ctx, "relu");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_backward_args& a) {
  Checker c(ctx, "relu_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.RealIn("y", a.y, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_leaky_relu_args& a) {
  Checker c(ctx, "leaky_relu");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.Within("slope", a.slope, 0.0f, 3.40282347e+38f);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_leaky_relu_backward_args& a) {
  Checker c(ctx, "leaky_relu_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.Within("slope", a.slope, 0.0f, 3.40282347e+38f);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.RealOut("dx", a.dx, n, a.element_type, a.x, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_args& a) {
  Checker c(ctx, "add");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.RealIn("a", a.a, n, a.element_type);
  c.RealIn("b", a.b, n, a.element_type);
  c.RealOut("y", a.y, n, a.element_type, a.a, a.b);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_bias_args& a) {
  Checker c(ctx, "add_bias");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.In("bias", a.bias, a.channels);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_channel_sum_args& a) {
  Checker c(ctx, "channel_sum");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.MaskIn(a.mask, n);
  c.Out("sum", a.sum, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_max_pool_args& a) {
  Checker c(ctx, "max_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Range("element_type", a.element_type, QT_ELEMENT_F32, QT_ELEMENT_BF16);
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
  c.RealType(a.element_type);
  c.Range("window.kernel_h * kernel_w", int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 256);
  c.RealIn("dy", a.dy, output, a.element_type);
  c.In("argmax", a.argmax, output);
  c.RealOut("dx", a.dx, input, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_args& a) {
  Checker c(ctx, "average_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.RealType(a.element_type);
  c.Flag("count_padding", a.count_padding);
  c.RealIn("x", a.x, input, a.element_type);
  c.RealOut("y", a.y, output, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_backward_args& a) {
  Checker c(ctx, "average_pool_backward");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.RealType(a.element_type);
  c.Flag("count_padding", a.count_padding);
  c.RealIn("dy", a.dy, output, a.element_type);
  c.RealOut("dx", a.dx, input, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_transpose_args& a) {
  Checker c(ctx, "transpose");
  c.MovedBytes(a.element_bytes);
  const int64_t bytes = c.Sizes("n, h, w, c", {a.n, a.h, a.w, a.c, a.element_bytes});
  c.Flag("to_nchw", a.to_nchw);
  c.InBytes("x", a.x, bytes, a.element_bytes);
  c.OutBytes("y", a.y, bytes, a.element_bytes);
  return c.Done();
}

}  // namespace qt
