// Argument checks: stochastic rounding, EWGS, DoReFa, oscillating weights, APoT, N2UQ.
#include "checks/checker.h"

namespace qt {
namespace {

void Draws(Checker* c, const qt_draws& draws) { c->In("draws.step", draws.step, 1); }

// The real input and output of an elementwise kernel, which may be the same tensor.
void InOut(Checker* c, const char* in_field, const void* in, const char* out_field, void* out,
           int64_t n, int32_t type) {
  c->RealIn(in_field, in, n, type);
  c->RealOut(out_field, out, n, type, in);
}

// Backward kernels: the gradient may be overwritten, x may not.
void Gradient(Checker* c, const char* x_field, const void* x, const void* dy, const char* dx_field,
              void* dx, int64_t n, int32_t type) {
  c->RealIn(x_field, x, n, type);
  c->RealIn("dy", dy, n, type);
  c->RealOut(dx_field, dx, n, type, dy);
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_stochastic_quantize_args& a) {
  Checker c(ctx, "stochastic_quantize");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, c.Least(a.code_type), c.Most(a.code_type));
  Draws(&c, a.draws);
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_stochastic_fake_quant_args& a) {
  Checker c(ctx, "stochastic_fake_quant");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  Draws(&c, a.draws);
  InOut(&c, "x", a.x, "y", a.y, n, a.element_type);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_ewgs_backward_args& a) {
  Checker c(ctx, "ewgs_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Range("levels", a.levels, 1, 65535 + 32768);
  c.Positive("gradient_scale", a.gradient_scale);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.In("delta", a.delta, 1);
  if (c.HostValues()) c.NotNegative("delta", *a.delta);
  if (a.dx != nullptr) c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  c.OutOptional("dscale", a.dscale, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dorefa_activation_args& a) {
  Checker c(ctx, "dorefa_activation");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.Range("bits", a.bits, 1, 16);
  InOut(&c, "x", a.x, "y", a.y, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dorefa_activation_backward_args& a) {
  Checker c(ctx, "dorefa_activation_backward");
  c.RealType(a.element_type);
  Gradient(&c, "x", a.x, a.dy, "dx", a.dx, c.Sizes("n", {a.n}), a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dorefa_weight_args& a) {
  Checker c(ctx, "dorefa_weight");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Range("bits", a.bits, 2, 16);
  InOut(&c, "w", a.w, "y", a.y, n, a.element_type);
  c.Out("max_tanh", a.max_tanh, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dorefa_weight_backward_args& a) {
  Checker c(ctx, "dorefa_weight_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Scales("max_tanh", a.max_tanh, a.channels);
  Gradient(&c, "w", a.w, a.dy, "dw", a.dw, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dorefa_gradient_args& a) {
  Checker c(ctx, "dorefa_gradient");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("samples, inner", {a.samples, a.inner});
  c.Range("bits", a.bits, 1, 16);
  Draws(&c, a.draws);
  InOut(&c, "dy", a.dy, "y", a.y, n, a.element_type);
  c.Out("max", a.max, a.samples);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_track_oscillations_args& a) {
  Checker c(ctx, "track_oscillations");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -128, 127);
  c.Scales("scale", a.scale, a.channels);
  c.In("momentum", a.momentum, 1);
  c.In("threshold", a.threshold, 1);
  if (c.HostValues()) c.Within("momentum", *a.momentum, 0.0f, 1.0f);
  c.Out("w", a.w, n);
  c.Out("integer", a.integer, n);
  c.Out("direction", a.direction, n);
  c.Out("phase", a.phase, n);
  c.Out("frequency", a.frequency, n);
  c.Out("mean", a.mean, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dampening_args& a) {
  Checker c(ctx, "dampening");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Scales("scale", a.scale, a.channels);
  c.In("lambda", a.lambda, 1);
  Gradient(&c, "x", a.x, a.dy, "dx", a.dx, n, a.element_type);
  c.Out("loss", a.loss, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_apot_args& a) {
  Checker c(ctx, "apot");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Range("bits", a.bits, 2, 6);
  c.Flag("is_signed", a.is_signed);
  c.In("alpha", a.alpha, a.channels);
  InOut(&c, "x", a.x, "y", a.y, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_apot_backward_args& a) {
  Checker c(ctx, "apot_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Range("bits", a.bits, 2, 6);
  c.Flag("is_signed", a.is_signed);
  c.Flag("pass_through", a.pass_through);
  c.Positive("gradient_scale", a.gradient_scale);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.In("alpha", a.alpha, a.channels);
  if (a.dx != nullptr) c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  c.Out("dalpha", a.dalpha, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_n2uq_args& a) {
  Checker c(ctx, "n2uq");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.Range("bits", a.bits, 2, 8);
  c.In("start", a.start, 1);
  c.In("in_scale", a.in_scale, 1);
  c.In("out_scale", a.out_scale, 1);
  if (c.ok()) c.In("intervals", a.intervals, (1 << a.bits) - 1);
  InOut(&c, "x", a.x, "y", a.y, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_n2uq_backward_args& a) {
  Checker c(ctx, "n2uq_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("n", {a.n});
  c.Range("bits", a.bits, 2, 8);
  c.In("start", a.start, 1);
  c.In("in_scale", a.in_scale, 1);
  c.In("out_scale", a.out_scale, 1);
  Gradient(&c, "x", a.x, a.dy, "dx", a.dx, n, a.element_type);
  c.Out("dstart", a.dstart, 1);
  c.Out("din_scale", a.din_scale, 1);
  c.Out("dout_scale", a.dout_scale, 1);
  if (c.ok()) {
    c.In("intervals", a.intervals, (1 << a.bits) - 1);
    c.Out("dintervals", a.dintervals, (1 << a.bits) - 1);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_n2uq_weight_args& a) {
  Checker c(ctx, "n2uq_weight");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Range("bits", a.bits, 2, 8);
  c.In("mean_magnitude", a.mean_magnitude, a.channels);
  InOut(&c, "x", a.x, "y", a.y, n, a.element_type);
  return c.Done();
}

}  // namespace qt
