// Argument checks: fixed-point contracts, packing.
#include "checks/checker.h"

namespace qt {

qt_status Check(qt_context& ctx, const qt_fixed_multiplier_args& a) {
  Checker c(ctx, "fixed_multiplier");
  const int64_t channels = c.Sizes("channels", {a.channels});
  c.Range("form", a.form, QT_MULTIPLIER_DOUBLE, QT_MULTIPLIER_POWER_OF_TWO);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, channels);
  c.Scales("y_scale", a.y_scale, 1);
  c.Out("multiplier", a.multiplier, channels);
  c.Out("shift", a.shift, channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_requantize_fixed_args& a) {
  Checker c(ctx, "requantize_fixed");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("contract", a.contract, QT_FIXED_DOUBLE, QT_POWER_OF_TWO_UP);
  c.Flag("relu", a.relu);
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  if (a.contract < QT_POWER_OF_TWO_EVEN) {
    c.ZeroPoints("multiplier", a.multiplier, a.channels, 0, INT32_MAX);
  } else {
    c.Require(a.multiplier == nullptr, "multiplier", "null: the contract has none");
  }
  c.ZeroPoints("shift", a.shift, a.channels, -31, 30);
  c.ZeroPoints("zero_point", a.zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_pack_codes_args& a) {
  Checker c(ctx, "pack_codes");
  const int64_t n = c.Sizes("n", {a.n});
  c.Range("bits", a.bits, 1, 8);
  const int64_t packed = (c.Sizes("n", {a.n, a.bits}) + 7) / 8;
  c.InBytes("codes", a.codes, n, 1);
  c.Out("packed", a.packed, packed);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_unpack_codes_args& a) {
  Checker c(ctx, "unpack_codes");
  const int64_t n = c.Sizes("n", {a.n});
  c.Range("bits", a.bits, 1, 8);
  const int64_t packed = (c.Sizes("n", {a.n, a.bits}) + 7) / 8;
  c.CodeType("code_type", a.code_type);
  c.In("packed", a.packed, packed);
  c.OutBytes("codes", a.codes, n, 1);
  return c.Done();
}

}  // namespace qt
