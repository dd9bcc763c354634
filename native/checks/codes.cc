// Argument checks: add, multiply, concatenate and pool codes, the int8 reference.
#include "checks/checker.h"

namespace qt {
namespace {

// What operations on two tensors of codes have in common; the number of elements.
template <class Args>
int64_t Binary(Checker& c, const Args& a) {
  const int64_t n = c.Sizes("n", {a.n});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  const int32_t least = c.Least(a.code_type), most = c.Most(a.code_type);
  c.InBytes("a", a.a, n, 1);
  c.InBytes("b", a.b, n, 1);
  c.Scales("a_scale", a.a_scale, 1);
  c.ZeroPoints("a_zero_point", a.a_zero_point, 1, least, most);
  c.Scales("b_scale", a.b_scale, 1);
  c.ZeroPoints("b_zero_point", a.b_zero_point, 1, least, most);
  c.Scales("y_scale", a.y_scale, 1);
  c.ZeroPoints("y_zero_point", a.y_zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("y", a.y, n, 1);
  c.MaskOut(a.mask, n);
  return n;
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_add_codes_args& a) {
  Checker c(ctx, "add_codes");
  c.Flag("relu", a.relu);
  Binary(c, a);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_codes_fixed_args& a) {
  Checker c(ctx, "add_codes_fixed");
  c.Range("contract", a.contract, QT_ADD_TFLITE, QT_ADD_XNNPACK);
  c.Flag("relu", a.relu);
  Binary(c, a);
  if (!c.HostValues()) return c.Done();
  const float larger = *a.a_scale > *a.b_scale ? *a.a_scale : *a.b_scale;
  if (a.contract == QT_ADD_TFLITE) {
    // The multiplier 2 max(sa, sb) / (2^20 sy) is below 1.
    c.Require(larger / *a.y_scale < 524288.0f, "y_scale", "more than max(sa, sb) / 2^19");
  } else {
    c.Within("y_scale: max(a_scale, b_scale) / y_scale", larger / *a.y_scale, 0.0009765625f, 255.999985f);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_mul_codes_args& a) {
  Checker c(ctx, "mul_codes");
  Binary(c, a);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_concat_codes_args& a) {
  Checker c(ctx, "concat_codes");
  const int64_t n = c.Sizes("outer, width", {a.outer, a.width});
  const int64_t y = c.Sizes("outer, y_width", {a.outer, a.y_width});
  c.Range("offset", a.offset, 0, kMaxElements);
  if (c.ok()) c.Require(a.offset + a.width <= a.y_width, "offset", "offset + width <= y_width");
  c.CodeType("code_type", a.code_type);
  c.CodeType("y_code_type", a.y_code_type);
  c.CodeGrid(a.qmin, a.qmax, a.y_code_type);
  c.InBytes("x", a.x, n, 1);
  c.Scales("x_scale", a.x_scale, 1);
  c.ZeroPoints("x_zero_point", a.x_zero_point, 1, c.Least(a.code_type), c.Most(a.code_type));
  c.Scales("y_scale", a.y_scale, 1);
  c.ZeroPoints("y_zero_point", a.y_zero_point, 1, c.Least(a.y_code_type), c.Most(a.y_code_type));
  c.OutBytes("y", a.y, y, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_codes_range_args& a) {
  Checker c(ctx, "add_codes_range");
  const int64_t n = c.Sizes("n", {a.n});
  c.CodeType("code_type", a.code_type);
  c.Flag("relu", a.relu);
  c.Require(a.upper == a.upper, "upper", "a number, got NaN");
  const int32_t least = c.Least(a.code_type), most = c.Most(a.code_type);
  c.InBytes("a", a.a, n, 1);
  c.InBytes("b", a.b, n, 1);
  c.Scales("a_scale", a.a_scale, 1);
  c.ZeroPoints("a_zero_point", a.a_zero_point, 1, least, most);
  c.Scales("b_scale", a.b_scale, 1);
  c.ZeroPoints("b_zero_point", a.b_zero_point, 1, least, most);
  c.Out("min", a.min, 1);
  c.Out("max", a.max, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_global_pool_sum_args& a) {
  Checker c(ctx, "global_pool_sum");
  const int64_t n = c.Sizes("n, hw, c", {a.n, a.hw, a.c});
  c.Range("hw", a.hw, 0, int64_t{1} << 22);  // 255 * hw stays below 2^30
  c.CodeType("code_type", a.code_type);
  c.InBytes("x", a.x, n, 1);
  c.ZeroPoints("zero_point", a.zero_point, 1, c.Least(a.code_type), c.Most(a.code_type));
  c.Out("acc", a.acc, c.Sizes("n, c", {a.n, a.c}));
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_codes_args& a) {
  Checker c(ctx, "average_pool_codes");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.Flag("count_padding", a.count_padding);
  const int32_t least = c.Least(a.code_type), most = c.Most(a.code_type);
  c.InBytes("x", a.x, input, 1);
  c.Scales("x_scale", a.x_scale, 1);
  c.ZeroPoints("x_zero_point", a.x_zero_point, 1, least, most);
  c.Scales("y_scale", a.y_scale, 1);
  c.ZeroPoints("y_zero_point", a.y_zero_point, 1, least, most);
  c.OutBytes("y", a.y, output, 1);
  c.MaskOut(a.mask, output);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_codes_fixed_args& a) {
  Checker c(ctx, "average_pool_codes_fixed");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  // Sums of codes stay exact in float.
  if (c.ok()) {
    c.Range("window.kernel_h * window.kernel_w",
            int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 65536);
  }
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.InBytes("x", a.x, input, 1);
  c.OutBytes("y", a.y, output, 1);
  c.MaskOut(a.mask, output);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv2d_codes_args& a) {
  Checker c(ctx, "conv2d_codes");
  int64_t output = 0;
  const int64_t input = c.Window(a.window, a.k, &output);
  c.CodeType("code_type", a.code_type);
  c.Range("k", a.k, 0, INT32_MAX);
  c.Range("groups", a.groups, 1, INT32_MAX);
  c.Range("dilation_h", a.dilation_h, 1, 1 << 20);
  c.Range("dilation_w", a.dilation_w, 1, 1 << 20);
  if (c.ok()) c.Require(a.window.c % a.groups == 0, "groups", "a divisor of window.c");
  if (c.ok()) c.Require(a.k % a.groups == 0, "groups", "a divisor of k");
  const int64_t weights =
      c.ok() ? c.Sizes("w", {a.k, a.window.kernel_h, a.window.kernel_w, a.window.c / a.groups}) : 0;
  c.InBytes("x", a.x, input, 1);
  c.ZeroPoints("x_zero_point", a.x_zero_point, 1, c.Least(a.code_type), c.Most(a.code_type));
  c.In("w", a.w, weights);
  c.Out("acc", a.acc, output);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_gemm_codes_args& a) {
  Checker c(ctx, "gemm_codes");
  const int64_t x = c.Sizes("rows, in", {a.rows, a.in});
  const int64_t w = c.Sizes("out, in", {a.out, a.in});
  const int64_t acc = c.Sizes("rows, out", {a.rows, a.out});
  c.CodeType("code_type", a.code_type);
  c.InBytes("x", a.x, x, 1);
  c.ZeroPoints("x_zero_point", a.x_zero_point, 1, c.Least(a.code_type), c.Most(a.code_type));
  c.In("w", a.w, w);
  c.Out("acc", a.acc, acc);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_matmul_codes_args& m) {
  Checker c(ctx, "matmul_codes");
  const int64_t a = c.Sizes("pairs, rows, in", {m.pairs, m.rows, m.in});
  const int64_t b = c.Sizes("pairs, in, out", {m.pairs, m.in, m.out});
  const int64_t acc = c.Sizes("pairs, rows, out", {m.pairs, m.rows, m.out});
  c.CodeType("code_type", m.code_type);
  c.InBytes("a", m.a, a, 1);
  c.ZeroPoints("a_zero_point", m.a_zero_point, 1, c.Least(m.code_type), c.Most(m.code_type));
  c.InBytes("b", m.b, b, 1);
  c.ZeroPoints("b_zero_point", m.b_zero_point, 1, c.Least(m.code_type), c.Most(m.code_type));
  c.Out("acc", m.acc, acc);
  return c.Done();
}

}  // namespace qt
