// Argument checks: quantize, dequantize, straight-through.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_fake_quant_args& a) {
  Checker c(ctx, "fake_quant");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_fake_quant_backward_args& a) {
  Checker c(ctx, "fake_quant_backward");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_quantize_args& a) {
  Checker c(ctx, "quantize");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.CodeGrid(a.qmin, a.qmax, a.code_type, QT_S16);
  c.RealType(a.element_type);
  c.RealIn("x", a.x, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, c.Least(a.code_type), c.Most(a.code_type));
  c.OutBytes("codes", a.codes, n * CodeBytes(a.code_type), CodeBytes(a.code_type));
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dequantize_args& a) {
  Checker c(ctx, "dequantize");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.CodeType("code_type", a.code_type, QT_S16);
  c.RealType(a.element_type);
  c.InBytes("codes", a.codes, n * CodeBytes(a.code_type), CodeBytes(a.code_type));
  if (a.scale != nullptr) c.Scales("scale", a.scale, a.channels);
  if (a.zero_point != nullptr) {
    c.ZeroPoints("zero_point", a.zero_point, a.channels, c.Least(a.code_type), c.Most(a.code_type));
  }
  c.RealOut("y", a.y, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_scale_channels_args& a) {
  Checker c(ctx, "scale_channels");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.RealType(a.element_type);
  c.RealType(a.y_type, "y_type");
  c.RealIn("x", a.x, n, a.element_type);
  c.InOptional("factor", a.factor, a.channels);
  c.RealOut("y", a.y, n, a.y_type, a.element_type == a.y_type ? a.x : nullptr);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_requantize_codes_args& a) {
  Checker c(ctx, "requantize_codes");
  const int64_t n = c.Sizes("n", {a.n});
  c.CodeType("code_type", a.code_type);
  c.CodeType("out_code_type", a.out_code_type);
  c.CodeGrid(a.qmin, a.qmax, a.out_code_type);
  c.InBytes("codes", a.codes, n, 1);
  c.Scales("scale", a.scale, 1);
  c.ZeroPoints("zero_point", a.zero_point, 1, c.Least(a.code_type), c.Most(a.code_type));
  c.Scales("out_scale", a.out_scale, 1);
  c.ZeroPoints("out_zero_point", a.out_zero_point, 1, c.Least(a.out_code_type),
               c.Most(a.out_code_type));
  c.OutBytes("out_codes", a.out_codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_ste_backward_args& a) {
  Checker c(ctx, "ste_backward");
  const int64_t n = c.Sizes("n", {a.n});
  c.RealType(a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.MaskIn(a.mask, n);
  c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_quantize_weight_args& a) {
  Checker c(ctx, "quantize_weight");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
  c.Flag("power_of_two", a.power_of_two);
  c.In("w", a.w, n);
  c.InOptional("gamma", a.gamma, a.channels);
  c.Out("codes", a.codes, n);
  c.Out("scale", a.scale, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_quantize_weight_backward_args& a) {
  Checker c(ctx, "quantize_weight_backward");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.In("dwq", a.dwq, n);
  c.InOptional("gamma", a.gamma, a.channels);
  c.Out("dw", a.dw, n, a.dwq);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_binary_weight_args& a) {
  Checker c(ctx, "binary_weight");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.RealType(a.element_type);
  c.RealIn("w", a.w, n, a.element_type);
  if (a.y != nullptr) c.RealOut("y", a.y, n, a.element_type, a.w);
  c.OutOptional("codes", a.codes, n);
  c.Out("scale", a.scale, a.channels);
  return c.Done();
}

}  // namespace qt
