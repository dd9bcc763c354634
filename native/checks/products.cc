// Argument checks: products of codes, two by two.
#include "checks/checker.h"

namespace qt {
namespace {

// Values of `pairs`; 0 after a failure.
int64_t Pairs(Checker* c, int64_t k, int64_t runs, int64_t length) {
  c->Sizes("w", {k, runs, length});
  return c->ok() ? c->Sizes("pairs", {(k + 15) / 16, runs, (length + 1) / 2, 32}) : 0;
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_pair_weights_args& a) {
  Checker c(ctx, "pair_weights");
  c.In("w", a.w, c.Sizes("k, runs, length", {a.k, a.runs, a.length}));
  c.Out("pairs", a.pairs, Pairs(&c, a.k, a.runs, a.length));
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv2d_pairs_args& a) {
  Checker c(ctx, "conv2d_pairs");
  int64_t output = 0;
  const int64_t input = c.CloseWindow(a.window, a.k, &output);
  c.Range("k", a.k, 0, INT32_MAX);
  c.Range("window.c", a.window.c, 1, INT32_MAX);
  c.Require(a.groups == 1 || (a.groups == a.window.c && a.groups == a.k), "groups",
            "1, or window.c where k is that, too");
  c.Require(output == 0 || input > 0, "window", "an input where there is an output");
  const int64_t run = c.ok() ? c.Sizes("w", {a.window.kernel_w, a.window.c / a.groups}) : 0;
  c.CodeType("x_type", a.x_type);
  c.InBytes("x", a.x, input, 1);
  c.ZeroPoints("x_zero_point", a.x_zero_point, 1, c.Least(a.x_type), c.Most(a.x_type));
  c.In("pairs", a.pairs, Pairs(&c, a.k, a.window.kernel_h, run));
  c.Require((a.acc == nullptr) != (a.codes == nullptr), "acc", "either acc or codes");
  if (a.codes == nullptr) {
    c.Out("acc", a.acc, output);
    return c.Done();
  }
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.Flag("relu", a.relu);
  c.InOptional("bias", a.bias, a.k);
  c.In("multiplier", a.multiplier, a.k);
  c.ZeroPoints("zero_point", a.zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("codes", a.codes, output, 1);
  return c.Done();
}

}  // namespace qt
