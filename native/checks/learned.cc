// Argument checks: quantizers with learned values.
#include "checks/checker.h"

namespace qt {
namespace {

// Elements of a [outer, channels, inner] tensor; the real inputs and the output of its kernel.
template <class Args>
int64_t Sizes(Checker* c, const Args& a) {
  c->RealType(a.element_type);
  return c->Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
}

// x, dy and dx of a backward kernel.
template <class Args>
void Gradient(Checker* c, const Args& a) {
  const int64_t n = Sizes(c, a);
  c->RealIn("x", a.x, n, a.element_type);
  c->RealIn("dy", a.dy, n, a.element_type);
  if (a.dx != nullptr) c->RealOut("dx", a.dx, n, a.element_type, a.dy);
}

// A grid as fake_quant takes it.
template <class Args>
void Grid(Checker* c, const Args& a) {
  c->Grid(a.qmin, a.qmax, -32768, 65535);
}

// Of a backward kernel that computes x from n integers.
template <class Args>
void OfIntegers(Checker* c, const Args& a, int64_t n) {
  Grid(c, a);
  c->Flag("relu", a.relu);
  c->Require(a.relu == 0 || a.upper > 0.0f, "upper", "> 0");
  c->In("dy", a.dy, n);
  c->Scales("scale", a.scale, 1);
  c->ZeroPoints("zero_point", a.zero_point, 1, a.qmin, a.qmax);
  if (a.dx != nullptr) c->Out("dx", a.dx, n, a.dy);
  c->Out("dscale", a.dscale, 1);
  c->Positive("gradient_scale", a.gradient_scale);
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_lsq_qparams_args& a) {
  Checker c(ctx, "lsq_qparams");
  c.Sizes("channels", {a.channels});
  Grid(&c, a);
  c.In("learned_scale", a.learned_scale, a.channels);
  c.InOptional("learned_zero_point", a.learned_zero_point, a.channels);
  c.InOptional("learned_offset", a.learned_offset, a.channels);
  c.Require(a.learned_zero_point == nullptr || a.learned_offset == nullptr, "learned_offset",
            "null beside a learned zero-point");
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_lsq_backward_args& a) {
  Checker c(ctx, "lsq_backward");
  Grid(&c, a);
  Gradient(&c, a);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.Out("dscale", a.dscale, a.channels);
  c.OutOptional("dzero_point", a.dzero_point, a.channels);
  c.Positive("gradient_scale", a.gradient_scale);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_lsq_acc_backward_args& a) {
  Checker c(ctx, "lsq_acc_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  OfIntegers(&c, a, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_lsq_add_backward_args& a) {
  Checker c(ctx, "lsq_add_backward");
  const int64_t n = c.Sizes("n", {a.n});
  c.CodeType("code_type", a.code_type);
  const int32_t least = Checker::Least(a.code_type), most = Checker::Most(a.code_type);
  c.AllOrNone("b, b_scale, b_zero_point", {a.b, a.b_scale, a.b_zero_point});
  c.InBytes("a", a.a, n, 1);
  c.Scales("a_scale", a.a_scale, 1);
  c.ZeroPoints("a_zero_point", a.a_zero_point, 1, least, most);
  if (a.b != nullptr) {
    c.InBytes("b", a.b, n, 1);
    c.Scales("b_scale", a.b_scale, 1);
    c.ZeroPoints("b_zero_point", a.b_zero_point, 1, least, most);
  }
  OfIntegers(&c, a, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_lsq_plus_args& a) {
  Checker c(ctx, "lsq_plus");
  Grid(&c, a);
  const int64_t n = Sizes(&c, a);
  c.RealIn("x", a.x, n, a.element_type);
  c.Scales("scale", a.scale, a.channels);
  c.In("beta", a.beta, a.channels);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_lsq_plus_backward_args& a) {
  Checker c(ctx, "lsq_plus_backward");
  Grid(&c, a);
  Gradient(&c, a);
  c.Scales("scale", a.scale, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Out("dscale", a.dscale, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  c.Positive("gradient_scale", a.gradient_scale);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_pact_qparams_args& a) {
  Checker c(ctx, "pact_qparams");
  c.Sizes("channels", {a.channels});
  c.Flag("is_signed", a.is_signed);
  Grid(&c, a);
  // A full grid would clip below -alpha, where the gradient says otherwise.
  c.Require(a.is_signed == 0 || a.qmin == -int64_t{a.qmax}, "qmin", "-qmax on a signed grid");
  c.In("alpha", a.alpha, a.channels);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_pact_backward_args& a) {
  Checker c(ctx, "pact_backward");
  c.Flag("is_signed", a.is_signed);
  Gradient(&c, a);
  c.In("alpha", a.alpha, a.channels);
  c.Out("dalpha", a.dalpha, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_tqt_qparams_args& a) {
  Checker c(ctx, "tqt_qparams");
  c.Sizes("channels", {a.channels});
  c.Flag("is_signed", a.is_signed);
  Grid(&c, a);
  const int64_t steps =
      a.is_signed != 0 ? int64_t{a.qmax} + 1 : int64_t{a.qmax} - int64_t{a.qmin} + 1;
  c.Require((steps & (steps - 1)) == 0, "qmax", "a power of two of steps up to the threshold");
  c.In("log2_threshold", a.log2_threshold, a.channels);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_tqt_backward_args& a) {
  Checker c(ctx, "tqt_backward");
  Grid(&c, a);
  Gradient(&c, a);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.Out("dlog2_threshold", a.dlog2_threshold, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dsq_qparams_args& a) {
  Checker c(ctx, "dsq_qparams");
  c.Sizes("channels", {a.channels});
  Grid(&c, a);
  c.In("learned_lower", a.learned_lower, a.channels);
  c.In("learned_upper", a.learned_upper, a.channels);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  c.Out("lower", a.lower, a.channels);
  c.Out("upper", a.upper, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dsq_forward_args& a) {
  Checker c(ctx, "dsq_forward");
  const int64_t n = Sizes(&c, a);
  c.Range("levels", a.levels, 1, 65535);
  c.RealIn("x", a.x, n, a.element_type);
  c.In("lower", a.lower, a.channels);
  c.In("upper", a.upper, a.channels);
  c.In("alpha", a.alpha, a.channels);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dsq_backward_args& a) {
  Checker c(ctx, "dsq_backward");
  Gradient(&c, a);
  c.Range("levels", a.levels, 1, 65535);
  c.In("lower", a.lower, a.channels);
  c.In("upper", a.upper, a.channels);
  c.In("alpha", a.alpha, a.channels);
  c.Out("dlower", a.dlower, a.channels);
  c.Out("dupper", a.dupper, a.channels);
  c.Out("dalpha", a.dalpha, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_mse_scale_args& a) {
  Checker c(ctx, "mse_scale");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.RealType(a.element_type);
  Grid(&c, a);
  c.Flag("symmetric", a.symmetric);
  c.Require(a.symmetric == 0 || a.qmax > 0, "qmax", "> 0 on a symmetric grid");
  c.Range("candidates", a.candidates, 1, 1024);
  c.RealIn("x", a.x, n, a.element_type);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

}  // namespace qt
