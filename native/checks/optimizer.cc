// Argument checks: loss, optimizers, gradient norm.
#include "checks/checker.h"

namespace qt {
namespace {

constexpr int64_t kMaxDeviceRows = int64_t{1} << 21;  // their losses lie in the stream's workspace

// Weight decay per segment of an arena of n elements.
void Segments(Checker* c, const int64_t* segment_end, const float* segment_decay, int64_t segments,
              int64_t n) {
  c->Sizes("segments", {segments});
  c->Require(segments > 0 || n == 0, "segments", "at least 1");
  c->In("segment_end", segment_end, segments);
  c->In("segment_decay", segment_decay, segments);
  if (!c->HostValues()) return;
  int64_t end = 0;
  for (int64_t i = 0; c->ok() && i < segments; ++i) {
    c->Range("segment_end", segment_end[i], end, n);
    end = segment_end[i];
  }
  c->Require(end == n, "segment_end", "the last one to be n");
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_softmax_cross_entropy_args& a) {
  Checker c(ctx, "softmax_cross_entropy");
  const int64_t n = c.Sizes("rows, classes", {a.rows, a.classes});
  c.RealType(a.element_type);
  c.Range("classes", a.classes, 1, INT32_MAX);
  if (ctx.on_device) c.Range("rows", a.rows, 0, kMaxDeviceRows);
  c.Require(a.smoothing >= 0.0f && a.smoothing < 1.0f, "smoothing", "a number in [0, 1)");
  c.RealIn("logits", a.logits, n, a.element_type);
  c.In("labels", a.labels, a.rows);
  if (c.HostValues()) {
    for (int64_t i = 0; c.ok() && i < a.rows; ++i) {
      c.Range("labels", a.labels[i], -1, a.classes - 1);
    }
  }
  if (a.teacher != nullptr) {
    c.RealIn("teacher", a.teacher, n, a.element_type);
    c.Positive("temperature", a.temperature);
    c.Within("soft_weight", a.soft_weight, 0.0f, 1.0f);
  }
  c.Out("loss", a.loss, 1);
  c.Out("correct", a.correct, 1);
  if (a.dlogits != nullptr) c.RealOut("dlogits", a.dlogits, n, a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_sgd_args& a) {
  Checker c(ctx, "sgd");
  const int64_t n = c.Sizes("n", {a.n});
  c.Flag("nesterov", a.nesterov);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.In("grad", a.grad, n);
  c.In("learning_rate", a.learning_rate, 1);
  c.InOptional("nonfinite", a.nonfinite, 1);
  Segments(&c, a.segment_end, a.segment_decay, a.segments, n);
  c.Out("param", a.param, n);
  c.Out("velocity", a.velocity, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_adamw_args& a) {
  Checker c(ctx, "adamw");
  const int64_t n = c.Sizes("n", {a.n});
  c.Require(a.beta1 >= 0.0f && a.beta1 < 1.0f, "beta1", "a number in [0, 1)");
  c.Require(a.beta2 >= 0.0f && a.beta2 < 1.0f, "beta2", "a number in [0, 1)");
  c.Positive("epsilon", a.epsilon);
  c.In("grad", a.grad, n);
  c.In("learning_rate", a.learning_rate, 1);
  c.In("step", a.step, 1);
  c.InOptional("nonfinite", a.nonfinite, 1);
  Segments(&c, a.segment_end, a.segment_decay, a.segments, n);
  c.Out("param", a.param, n);
  c.Out("mean", a.mean, n);
  c.Out("square", a.square, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_grad_norm_args& a) {
  Checker c(ctx, "grad_norm");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("grad", a.grad, n);
  c.Out("norm", a.norm, 1);
  c.Out("nonfinite", a.nonfinite, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_clip_grad_args& a) {
  Checker c(ctx, "clip_grad");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("norm", a.norm, 1);
  c.Scales("max_norm", a.max_norm, 1);
  c.InOptional("nonfinite", a.nonfinite, 1);
  c.Out("grad", a.grad, n);
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
