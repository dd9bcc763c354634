// Argument checks: the fused epilogue.
#include "checks/checker.h"

namespace qt {
namespace {

template <class Args>
void CheckClip(Checker* c, const Args& a) {
  c->Require(a.lower <= 0.0f, "lower", "<= 0");
  c->Require(a.upper >= 0.0f, "upper", ">= 0");
}

template <class Args>
int64_t CheckGradient(Checker* c, const Args& a) {
  const int64_t n = c->Sizes("rows, channels", {a.rows, a.channels});
  c->Range("rows", a.rows, 0, kMaxRows);
  c->RealType(a.element_type);
  c->RealIn("dy", a.dy, n, a.element_type);
  c->MaskIn(a.mask, n);
  c->InOptional("correction", a.correction, a.channels);
  if (a.dx != nullptr) c->RealOut("dx", a.dx, n, a.element_type, a.dy);
  c->Out("dbias", a.dbias, a.channels);
  c->OutOptional("dcorrection", a.dcorrection, a.channels);
  return n;
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_epilogue_args& a) {
  Checker c(ctx, "epilogue");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  CheckClip(&c, a);
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  c.Scales("y_scale", a.y_scale, 1);
  c.ZeroPoints("y_zero_point", a.y_zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  c.AllOrNone("min, max", {a.min, a.max});
  c.OutOptional("min", a.min, 1);
  c.OutOptional("max", a.max, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_epilogue_backward_args& a) {
  Checker c(ctx, "epilogue_backward");
  const int64_t n = CheckGradient(&c, a);
  if (a.dcorrection != nullptr) {
    c.In("acc", a.acc, n);
    c.In("unit", a.unit, a.channels);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_epilogue_f32_args& a) {
  Checker c(ctx, "epilogue_f32");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.RealType(a.element_type);
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  CheckClip(&c, a);
  c.Require(a.codes != nullptr || a.y != nullptr, "codes, y", "one of them, got neither");
  c.RealIn("x", a.x, n, a.element_type);
  c.InOptional("correction", a.correction, a.channels);
  c.InOptional("bias", a.bias, a.channels);
  c.Scales("y_scale", a.y_scale, 1);
  c.ZeroPoints("y_zero_point", a.y_zero_point, 1, a.qmin, a.qmax);
  if (a.codes != nullptr) c.OutBytes("codes", a.codes, n, 1);
  if (a.y != nullptr) c.RealOut("y", a.y, n, a.element_type, a.x);
  c.MaskOut(a.mask, n);
  c.AllOrNone("min, max, nans", {a.min, a.max, a.nans});
  c.OutOptional("min", a.min, 1);
  c.OutOptional("max", a.max, 1);
  c.OutOptional("nans", a.nans, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_epilogue_f32_backward_args& a) {
  Checker c(ctx, "epilogue_f32_backward");
  const int64_t n = CheckGradient(&c, a);
  if (a.dcorrection != nullptr) c.RealIn("x", a.x, n, a.element_type);
  return c.Done();
}

}  // namespace qt
