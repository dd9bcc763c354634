// Argument checks: observers.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_min_max_args& a) {
  Checker c(ctx, "min_max");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.In("x", a.x, n);
  c.Out("min", a.min, a.channels);
  c.Out("max", a.max, a.channels);
  c.Out("nans", a.nans, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_update_range_args& a) {
  Checker c(ctx, "update_range");
  c.Sizes("channels", {a.channels});
  c.In("batch_min", a.batch_min, a.channels);
  c.In("batch_max", a.batch_max, a.channels);
  c.In("momentum", a.momentum, 1);
  if (c.ok()) c.Within("momentum", *a.momentum, 0.0f, 1.0f);
  if (c.ok()) c.Require(*a.momentum > 0.0f, "momentum", "> 0");
  c.Out("range_min", a.range_min, a.channels);
  c.Out("range_max", a.range_max, a.channels);
  c.Out("count", a.count, 1);
  if (c.ok()) c.Range("count", *a.count, 0, INT32_MAX);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_range_to_qparams_args& a) {
  Checker c(ctx, "range_to_qparams");
  c.Sizes("channels", {a.channels});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.Flag("symmetric", a.symmetric);
  if (a.symmetric) c.Range("qmax", a.qmax, 1, 65535);
  c.In("range_min", a.range_min, a.channels);
  c.In("range_max", a.range_max, a.channels);
  c.Out("scale", a.scale, a.channels);
  c.Out("zero_point", a.zero_point, a.channels);
  return c.Done();
}

}  // namespace qt
