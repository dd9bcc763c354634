// Argument checks: products of codes two by two, gradients of convolutions.
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

qt_status Check(qt_context& ctx, const qt_conv2d_backward_weights_args& a) {
  Checker c(ctx, "conv2d_backward_weights");
  const qt_window& w = a.window;
  int64_t output = 0;
  const int64_t input = c.Window(w, a.k, &output);
  c.Range("k", a.k, 0, INT32_MAX);
  c.Range("dilation_h", a.dilation_h, 1, 1 << 20);
  c.Range("dilation_w", a.dilation_w, 1, 1 << 20);
  const int64_t rows = c.ok() ? int64_t{w.kernel_h - 1} * a.dilation_h : 0;
  const int64_t columns = c.ok() ? int64_t{w.kernel_w - 1} * a.dilation_w : 0;
  c.Require(w.pad_top <= rows, "window.pad_top", "less than the kernel with its dilation");
  c.Require(w.pad_left <= columns, "window.pad_left", "less than the kernel with its dilation");
  c.Range("window.h", w.h, 0, INT32_MAX);
  c.Range("window.w", w.w, 0, INT32_MAX);
  c.Range("window.p", w.p, 0, INT32_MAX);
  c.Range("window.q", w.q, 0, INT32_MAX);
  if (c.ok()) {
    c.Require(w.p == 0 || (w.p - 1) * w.stride_h - w.pad_top < w.h, "window.p",
              "windows that begin inside the input");
    c.Require(w.q == 0 || (w.q - 1) * w.stride_w - w.pad_left < w.w, "window.q",
              "windows that begin inside the input");
  }
  c.Require(output == 0 || input > 0 || w.c == 0, "window", "an input where there is an output");
  // What windows reach of an image and around it.
  if (c.ok()) c.Sizes("window", {w.h + 2 * rows, w.w + 2 * columns, w.c});
  const int64_t weights = c.Sizes("dw", {a.k, w.kernel_h, w.kernel_w, w.c});
  c.Require(a.x_type == QT_ELEMENT_F32 || a.x_type == QT_ELEMENT_U8 || a.x_type == QT_ELEMENT_S8,
            "x_type", "QT_ELEMENT_F32, QT_ELEMENT_U8 or QT_ELEMENT_S8");
  const int64_t bytes = ElementBytes(a.x_type);
  c.InBytes("x", a.x, input * bytes, bytes);
  if (bytes == 1) {
    const int32_t type = a.x_type == QT_ELEMENT_U8 ? QT_U8 : QT_S8;
    c.Scales("x_scale", a.x_scale, 1);
    c.ZeroPoints("x_zero_point", a.x_zero_point, 1, c.Least(type), c.Most(type));
  }
  c.In("dy", a.dy, output);
  c.Out("dw", a.dw, weights);
  return c.Done();
}

}  // namespace qt
