// Argument checks, before a kernel touches memory: null and misaligned pointers, sizes and their
// products, grids and enums, scales, and outputs that overlap what they must not. All O(1) but for
// scales and zero-points, one per channel. The text has the form "[kernel] field: expected ..., got
// ...".
#include <math.h>
#include <stdio.h>

#include <initializer_list>

#include "context.h"

namespace qt {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 48;  // sizes in bytes stay far from overflow
constexpr int64_t kMaxRows = (int64_t{1} << 31) - 1;

int64_t ElementBytes(int32_t element_type) { return element_type == QT_ELEMENT_F32 ? 4 : 1; }
int64_t MaskBytes(int64_t n) { return (n + 7) / 8; }

// Collects the checks of one call; after the first failure every further check is a no-op.
class Checker {
 public:
  Checker(qt_context& ctx, const char* kernel) : ctx_(ctx), kernel_(kernel) {}

  bool ok() const { return status_ == QT_OK; }

  // A size, or a value, in [least, most].
  void Range(const char* field, int64_t value, int64_t least, int64_t most) {
    if (ok() && (value < least || value > most)) {
      Failed(field, "expected %lld..%lld, got %lld", static_cast<long long>(least),
             static_cast<long long>(most), static_cast<long long>(value));
    }
  }

  // Product of sizes >= 0; 0 after a failure.
  int64_t Sizes(const char* field, std::initializer_list<int64_t> sizes) {
    int64_t product = 1;
    for (const int64_t size : sizes) {
      if (!ok()) return 0;
      if (size < 0) {
        Failed(field, "expected sizes >= 0, got %lld", static_cast<long long>(size));
        return 0;
      }
      // Every partial product is bounded too, so that a 0 behind a huge size hides nothing.
      if (size > kMaxElements || (size > 0 && product > kMaxElements / size)) {
        Failed(field, "expected at most 2^48 elements, got a product with %lld",
               static_cast<long long>(size));
        return 0;
      }
      product *= size;
    }
    return ok() ? product : 0;
  }

  template <class T>
  void In(const char* field, const T* p, int64_t count) {
    Add(field, p, count * static_cast<int64_t>(sizeof(T)), alignof(T), /*output=*/false, nullptr,
        nullptr);
  }

  template <class T>
  void InOptional(const char* field, const T* p, int64_t count) {
    if (p != nullptr) In(field, p, count);
  }

  // may_be: an input that the output may be equal to (same address); partial overlap never is.
  template <class T>
  void Out(const char* field, T* p, int64_t count, const void* may_be = nullptr,
           const void* or_be = nullptr) {
    Add(field, p, count * static_cast<int64_t>(sizeof(T)), alignof(T), /*output=*/true, may_be,
        or_be);
  }

  template <class T>
  void OutOptional(const char* field, T* p, int64_t count) {
    if (p != nullptr) Out(field, p, count);
  }

  void InBytes(const char* field, const void* p, int64_t bytes, int64_t alignment) {
    Add(field, p, bytes, alignment, /*output=*/false, nullptr, nullptr);
  }

  void OutBytes(const char* field, void* p, int64_t bytes, int64_t alignment) {
    Add(field, p, bytes, alignment, /*output=*/true, nullptr, nullptr);
  }

  void MaskIn(const uint8_t* mask, int64_t n) { InOptional("mask", mask, MaskBytes(n)); }
  void MaskOut(uint8_t* mask, int64_t n) { OutOptional("mask", mask, MaskBytes(n)); }

  // Inputs whose values are checked as well.
  void Scales(const char* field, const float* p, int64_t count) {
    In(field, p, count);
    for (int64_t i = 0; ok() && i < count; ++i) {
      if (!(p[i] > 0.0f)) Failed(field, i, "expected > 0, got %g", static_cast<double>(p[i]));
      if (ok() && p[i] > 3.40282347e+38f)
        Failed(field, i, "expected a finite value, got %g", static_cast<double>(p[i]));
    }
  }

  void ZeroPoints(const char* field, const int32_t* p, int64_t count, int32_t least, int32_t most) {
    In(field, p, count);
    for (int64_t i = 0; ok() && i < count; ++i) {
      if (p[i] < least || p[i] > most)
        Failed(field, i, "expected %d..%d, got %d", least, most, p[i]);
    }
  }

  // [qmin, qmax] inside [least, most], with 0 in it.
  void Grid(int32_t qmin, int32_t qmax, int32_t least, int32_t most) {
    Range("qmin", qmin, least, 0);
    Range("qmax", qmax, 0, most);
    if (ok() && qmin >= qmax) Failed("qmax", "expected > qmin = %d, got %d", qmin, qmax);
  }

  void CodeType(const char* field, int32_t type) { Range(field, type, QT_U8, QT_S8); }

  // A grid that the code type holds; 0 need not be in it (a clamp may begin above).
  void CodeGrid(int32_t qmin, int32_t qmax, int32_t type) {
    CodeType("code_type", type);
    const int32_t least = Least(type), most = Most(type);
    Range("qmin", qmin, least, most);
    Range("qmax", qmax, least, most);
    if (ok() && qmin >= qmax) Failed("qmax", "expected > qmin = %d, got %d", qmin, qmax);
  }

  static int32_t Least(int32_t type) { return type == QT_U8 ? 0 : -128; }
  static int32_t Most(int32_t type) { return type == QT_U8 ? 255 : 127; }

  // Symmetric weight grid: qmin = -qmax or -qmax - 1.
  void WeightGrid(int32_t qmin, int32_t qmax) {
    Range("qmax", qmax, 1, 127);
    Range("qmin", qmin, -qmax - 1, -qmax);
  }

  void Flag(const char* field, int32_t value) { Range(field, value, 0, 1); }

  void Positive(const char* field, float value) {
    if (ok() && !(value > 0.0f && value <= 3.40282347e+38f)) {
      Failed(field, "expected > 0, got %g", static_cast<double>(value));
    }
  }

  void Within(const char* field, float value, float least, float most) {
    if (ok() && !(value >= least && value <= most)) {
      Failed(field, "expected %g..%g, got %g", static_cast<double>(least),
             static_cast<double>(most), static_cast<double>(value));
    }
  }

  void NotNegative(const char* field, float value) {  // Inf is allowed
    if (ok() && !(value >= 0.0f))
      Failed(field, "expected >= 0, got %g", static_cast<double>(value));
  }

  void AllOrNone(const char* field, std::initializer_list<const void*> pointers) {
    int given = 0;
    for (const void* p : pointers) given += p != nullptr;
    if (ok() && given != 0 && given != static_cast<int>(pointers.size())) {
      Failed(field, "expected all of them or none, got %d of %d", given,
             static_cast<int>(pointers.size()));
    }
  }

  void Require(bool holds, const char* field, const char* expected) {
    if (ok() && !holds) Failed(field, "expected %s", expected);
  }

  // Sizes of a window op on NHWC; returns the elements of the input and sets those of the output.
  int64_t Window(const qt_window& w, int64_t output_channels, int64_t* output) {
    const int64_t input = Sizes("window", {w.n, w.h, w.w, w.c});
    *output = Sizes("window", {w.n, w.p, w.q, output_channels});
    for (const int64_t size : {w.h, w.w, w.p, w.q}) Range("window", size, 0, kMaxRows);
    Range("window.kernel_h", w.kernel_h, 1, 1 << 20);
    Range("window.kernel_w", w.kernel_w, 1, 1 << 20);
    Range("window.stride_h", w.stride_h, 1, 1 << 20);
    Range("window.stride_w", w.stride_w, 1, 1 << 20);
    Range("window.pad_top", w.pad_top, 0, 1 << 20);
    Range("window.pad_left", w.pad_left, 0, 1 << 20);
    return input;
  }

  // Pooling: every window holds at least one cell of the input.
  int64_t PoolWindow(const qt_window& w, int64_t* output) {
    const int64_t input = Window(w, w.c, output);
    if (!ok()) return 0;
    Require(w.pad_top < w.kernel_h, "window.pad_top", "less than kernel_h");
    Require(w.pad_left < w.kernel_w, "window.pad_left", "less than kernel_w");
    Require(w.p == 0 || (w.p - 1) * w.stride_h - w.pad_top < w.h, "window.p",
            "windows that begin inside the input");
    Require(w.q == 0 || (w.q - 1) * w.stride_w - w.pad_left < w.w, "window.q",
            "windows that begin inside the input");
    return input;
  }

  // Outputs against everything else; the last check of every call.
  qt_status Done() {
    for (int i = 0; ok() && i < count_; ++i) {
      if (!buffers_[i].output || buffers_[i].bytes == 0) continue;
      for (int j = 0; ok() && j < count_; ++j) {
        if (i == j || buffers_[j].bytes == 0) continue;
        const Buffer& a = buffers_[i];
        const Buffer& b = buffers_[j];
        if (a.begin >= b.begin + b.bytes || b.begin >= a.begin + a.bytes) continue;
        const bool allowed =
            (a.begin == b.begin && (a.may_be == a.begin || a.or_be == a.begin)) ||
            (b.output && b.begin == a.begin && (b.may_be == b.begin || b.or_be == b.begin));
        if (!allowed) Failed(a.field, "expected no overlap with %s, got one", b.field);
      }
    }
    return status_;
  }

 private:
  struct Buffer {
    const char* field;
    uintptr_t begin;
    uintptr_t bytes;
    uintptr_t may_be, or_be;  // addresses at which an overlap is meant
    bool output;
  };

  void Add(const char* field, const void* p, int64_t bytes, int64_t alignment, bool output,
           const void* may_be, const void* or_be) {
    if (!ok()) return;
    if (p == nullptr) {
      Failed(field, "expected a pointer, got null");
      return;
    }
    const uintptr_t begin = reinterpret_cast<uintptr_t>(p);
    if (begin % alignment != 0) {
      Failed(field, "expected an address aligned to %d bytes, got %p", static_cast<int>(alignment),
             p);
      return;
    }
    if (count_ == kMaxBuffers) {
      Failed(field, "expected at most %d buffers", kMaxBuffers);
      return;
    }
    buffers_[count_++] = {field,
                          begin,
                          static_cast<uintptr_t>(bytes),
                          reinterpret_cast<uintptr_t>(may_be),
                          reinterpret_cast<uintptr_t>(or_be),
                          output};
  }

  template <class... Values>
  void Failed(const char* field, const char* format, Values... values) {
    char text[256];
    Print(text, sizeof(text), format, values...);
    status_ = Fail(ctx_, QT_INVALID_ARGUMENT, "[%s] %s: %s", kernel_, field, text);
  }

  template <class... Values>
  void Failed(const char* field, int64_t index, const char* format, Values... values) {
    char text[256];
    Print(text, sizeof(text), format, values...);
    status_ = Fail(ctx_, QT_INVALID_ARGUMENT, "[%s] %s[%lld]: %s", kernel_, field,
                   static_cast<long long>(index), text);
  }

  template <class... Values>
  static void Print(char* text, size_t size, const char* format, Values... values) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
    snprintf(text, size, format, values...);
#pragma GCC diagnostic pop
  }

  static constexpr int kMaxBuffers = 20;
  qt_context& ctx_;
  const char* kernel_;
  qt_status status_ = QT_OK;
  Buffer buffers_[kMaxBuffers];
  int count_ = 0;
};

}  // namespace

// ---- quantize ----

qt_status Check(qt_context& ctx, const qt_fake_quant_args& a) {
  Checker c(ctx, "fake_quant");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.Grid(a.qmin, a.qmax, -32768, 65535);
  c.In("x", a.x, n);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, a.qmin, a.qmax);
  c.Out("y", a.y, n, a.x);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_quantize_args& a) {
  Checker c(ctx, "quantize");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.In("x", a.x, n);
  c.Scales("scale", a.scale, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, a.channels, c.Least(a.code_type), c.Most(a.code_type));
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dequantize_args& a) {
  Checker c(ctx, "dequantize");
  const int64_t n = c.Sizes("outer, channels, inner", {a.outer, a.channels, a.inner});
  c.CodeType("code_type", a.code_type);
  c.InBytes("codes", a.codes, n, 1);
  if (a.scale != nullptr) c.Scales("scale", a.scale, a.channels);
  if (a.zero_point != nullptr) {
    c.ZeroPoints("zero_point", a.zero_point, a.channels, c.Least(a.code_type), c.Most(a.code_type));
  }
  c.Out("y", a.y, n);
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
  c.In("dy", a.dy, n);
  c.In("mask", a.mask, MaskBytes(n));
  c.Out("dx", a.dx, n, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_quantize_weight_args& a) {
  Checker c(ctx, "quantize_weight");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
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

// ---- observe ----

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

// ---- accumulators ----

qt_status Check(qt_context& ctx, const qt_acc_stats_args& a) {
  Checker c(ctx, "acc_stats");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.In("acc", a.acc, n);
  c.Out("sum", a.sum, a.channels);
  c.Out("sum_squares", a.sum_squares, 2 * a.channels);
  c.Out("min", a.min, a.channels);
  c.Out("max", a.max, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_absorb_args& a) {
  Checker c(ctx, "batch_norm_absorb");
  c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.In("sum", a.sum, a.channels);
  c.In("sum_squares", a.sum_squares, 2 * a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, a.channels);
  c.AllOrNone("running_mean, running_var", {a.running_mean, a.running_var});
  c.OutOptional("running_mean", a.running_mean, a.channels);
  c.OutOptional("running_var", a.running_var, a.channels);
  c.Out("mean", a.mean, a.channels);
  c.Out("inv_std", a.inv_std, a.channels);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  c.Out("keep", a.keep, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_absorb_backward_args& a) {
  Checker c(ctx, "batch_norm_absorb_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.In("dy", a.dy, n);
  c.MaskIn(a.mask, n);
  c.In("acc", a.acc, n);
  c.In("gamma", a.gamma, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, a.channels);
  c.In("mean", a.mean, a.channels);
  c.In("inv_std", a.inv_std, a.channels);
  c.Out("du", a.du, n, a.dy);
  c.Out("dgamma", a.dgamma, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_fold_weight_args& a) {
  Checker c(ctx, "fold_weight");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
  c.Flag("per_tensor", a.per_tensor);
  c.AllOrNone("gamma, beta, mean, var", {a.gamma, a.beta, a.mean, a.var});
  if (a.gamma != nullptr) c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.InOptional("gamma", a.gamma, a.channels);
  c.InOptional("beta", a.beta, a.channels);
  c.InOptional("mean", a.mean, a.channels);
  c.InOptional("var", a.var, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Out("codes", a.codes, n);
  c.Out("w_scale", a.w_scale, a.channels);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_fold_weight_backward_args& a) {
  Checker c(ctx, "fold_weight_backward");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.WeightGrid(a.qmin, a.qmax);
  c.Flag("per_tensor", a.per_tensor);
  c.AllOrNone("gamma, mean, var", {a.gamma, a.mean, a.var});
  if (a.gamma != nullptr) c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("dw_folded", a.dw_folded, n);
  c.In("dbias", a.dbias, a.channels);
  c.InOptional("conv_bias", a.conv_bias, a.channels);
  c.InOptional("gamma", a.gamma, a.channels);
  c.InOptional("mean", a.mean, a.channels);
  c.InOptional("var", a.var, a.channels);
  c.OutOptional("dw", a.dw, n);
  c.OutOptional("dconv_bias", a.dconv_bias, a.channels);
  if (a.gamma != nullptr) {
    c.OutOptional("dgamma", a.dgamma, a.channels);
    c.OutOptional("dbeta", a.dbeta, a.channels);
  } else {
    c.Require(a.dgamma == nullptr && a.dbeta == nullptr, "dgamma, dbeta", "null without gamma");
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_acc_range_args& a) {
  Checker c(ctx, "acc_range");
  c.Range("channels", a.channels, 1, kMaxElements);
  c.Flag("relu", a.relu);
  c.Require(a.upper == a.upper, "upper", "a number, got NaN");
  c.In("acc_min", a.acc_min, a.channels);
  c.In("acc_max", a.acc_max, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Out("min", a.min, 1);
  c.Out("max", a.max, 1);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_multiplier_args& a) {
  Checker c(ctx, "multiplier");
  c.Sizes("channels", {a.channels});
  c.Range("pool_count", a.pool_count, 0, int64_t{1} << 24);
  c.Scales("out_scale", a.out_scale, a.pool_count > 0 ? 1 : a.channels);
  c.Scales("y_scale", a.y_scale, 1);
  c.Out("multiplier", a.multiplier, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_requantize_args& a) {
  Checker c(ctx, "requantize");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.Flag("relu", a.relu);
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.In("multiplier", a.multiplier, a.channels);
  c.ZeroPoints("zero_point", a.zero_point, 1, a.qmin, a.qmax);
  c.OutBytes("codes", a.codes, n, 1);
  c.MaskOut(a.mask, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_dequantize_acc_args& a) {
  Checker c(ctx, "dequantize_acc");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("acc", a.acc, n);
  c.InOptional("bias", a.bias, a.channels);
  c.InOptional("keep", a.keep, a.channels);
  c.Scales("out_scale", a.out_scale, a.channels);
  c.Out("y", a.y, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_float_to_acc_args& a) {
  Checker c(ctx, "float_to_acc");
  const int64_t n = c.Sizes("n", {a.n});
  c.Flag("accumulate", a.accumulate);
  c.In("x", a.x, n);
  c.Out("acc", a.acc, n);
  return c.Done();
}

// ---- fold with correction ----

qt_status Check(qt_context& ctx, const qt_conv_bn_fold_args& a) {
  Checker c(ctx, "conv_bn_fold");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("gamma", a.gamma, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.Out("w_folded", a.w_folded, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_fold_backward_args& a) {
  Checker c(ctx, "conv_bn_fold_backward");
  const int64_t n = c.Sizes("channels, inner", {a.channels, a.inner});
  c.Positive("epsilon", a.epsilon);
  c.In("w", a.w, n);
  c.In("dw_folded", a.dw_folded, n);
  c.In("gamma", a.gamma, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.Out("dw", a.dw, n);
  c.Out("dgamma", a.dgamma, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_correct_args& a) {
  Checker c(ctx, "conv_bn_correct");
  c.Sizes("channels", {a.channels});
  c.Positive("epsilon", a.epsilon);
  c.In("batch_mean", a.batch_mean, a.channels);
  c.In("batch_var", a.batch_var, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, 1);
  c.Out("out_scale", a.out_scale, a.channels);
  c.Out("bias", a.bias, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_conv_bn_correct_backward_args& a) {
  Checker c(ctx, "conv_bn_correct_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Positive("epsilon", a.epsilon);
  c.In("dy", a.dy, n);
  c.MaskIn(a.mask, n);
  c.In("acc", a.acc, n);
  c.In("batch_mean", a.batch_mean, a.channels);
  c.In("batch_var", a.batch_var, a.channels);
  c.In("running_var", a.running_var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.Scales("x_scale", a.x_scale, 1);
  c.Scales("w_scale", a.w_scale, 1);
  c.Out("d_out", a.d_out, n);
  c.Out("dgamma", a.dgamma, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  c.Out("dmean", a.dmean, a.channels);
  c.Out("dsigma", a.dsigma, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_stats_backward_args& a) {
  Checker c(ctx, "batch_norm_stats_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.In("x", a.x, n);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("dmean", a.dmean, a.channels);
  c.In("dsigma", a.dsigma, a.channels);
  c.Out("dx", a.dx, n);
  return c.Done();
}

// ---- float layers ----

qt_status Check(qt_context& ctx, const qt_batch_norm_stats_args& a) {
  Checker c(ctx, "batch_norm_stats");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.AllOrNone("running_mean, running_var", {a.running_mean, a.running_var});
  c.In("x", a.x, n);
  c.Out("mean", a.mean, a.channels);
  c.Out("var", a.var, a.channels);
  c.OutOptional("running_mean", a.running_mean, a.channels);
  c.OutOptional("running_var", a.running_var, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_args& a) {
  Checker c(ctx, "batch_norm");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Positive("epsilon", a.epsilon);
  c.In("x", a.x, n);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.In("beta", a.beta, a.channels);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_batch_norm_backward_args& a) {
  Checker c(ctx, "batch_norm_backward");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.Range("rows", a.rows, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.Flag("frozen", a.frozen);
  c.In("x", a.x, n);
  c.In("dy", a.dy, n);
  c.In("mean", a.mean, a.channels);
  c.In("var", a.var, a.channels);
  c.In("gamma", a.gamma, a.channels);
  c.Out("dx", a.dx, n, a.dy);
  c.Out("dgamma", a.dgamma, a.channels);
  c.Out("dbeta", a.dbeta, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_args& a) {
  Checker c(ctx, "relu");
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.In("x", a.x, n);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_relu_backward_args& a) {
  Checker c(ctx, "relu_backward");
  const int64_t n = c.Sizes("n", {a.n});
  c.NotNegative("upper", a.upper);
  c.In("y", a.y, n);
  c.In("dy", a.dy, n);
  c.Out("dx", a.dx, n, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_args& a) {
  Checker c(ctx, "add");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("a", a.a, n);
  c.In("b", a.b, n);
  c.Out("y", a.y, n, a.a, a.b);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_add_bias_args& a) {
  Checker c(ctx, "add_bias");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("x", a.x, n);
  c.In("bias", a.bias, a.channels);
  c.Out("y", a.y, n, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_channel_sum_args& a) {
  Checker c(ctx, "channel_sum");
  const int64_t n = c.Sizes("rows, channels", {a.rows, a.channels});
  c.In("x", a.x, n);
  c.MaskIn(a.mask, n);
  c.Out("sum", a.sum, a.channels);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_max_pool_args& a) {
  Checker c(ctx, "max_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Range("element_type", a.element_type, QT_ELEMENT_F32, QT_ELEMENT_S8);
  const int64_t bytes = ElementBytes(a.element_type);
  c.InBytes("x", a.x, input * bytes, bytes);
  c.OutBytes("y", a.y, output * bytes, bytes);
  if (a.argmax != nullptr) {
    c.Range("window.kernel_h * kernel_w", int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 256);
    c.Out("argmax", a.argmax, output);
  }
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_max_pool_backward_args& a) {
  Checker c(ctx, "max_pool_backward");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Range("window.kernel_h * kernel_w", int64_t{a.window.kernel_h} * a.window.kernel_w, 1, 256);
  c.In("dy", a.dy, output);
  c.In("argmax", a.argmax, output);
  c.Out("dx", a.dx, input);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_args& a) {
  Checker c(ctx, "average_pool");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Flag("count_padding", a.count_padding);
  c.In("x", a.x, input);
  c.Out("y", a.y, output);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_average_pool_backward_args& a) {
  Checker c(ctx, "average_pool_backward");
  int64_t output = 0;
  const int64_t input = c.PoolWindow(a.window, &output);
  c.Flag("count_padding", a.count_padding);
  c.In("dy", a.dy, output);
  c.Out("dx", a.dx, input);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_transpose_args& a) {
  Checker c(ctx, "transpose");
  const int64_t n = c.Sizes("n, h, w, c", {a.n, a.h, a.w, a.c});
  c.Require(a.element_bytes == 1 || a.element_bytes == 4, "element_bytes", "1 or 4");
  c.Flag("to_nchw", a.to_nchw);
  c.InBytes("x", a.x, n * a.element_bytes, a.element_bytes);
  c.OutBytes("y", a.y, n * a.element_bytes, a.element_bytes);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_softmax_cross_entropy_args& a) {
  Checker c(ctx, "softmax_cross_entropy");
  const int64_t n = c.Sizes("rows, classes", {a.rows, a.classes});
  c.Range("classes", a.classes, 1, INT32_MAX);
  c.Require(a.smoothing >= 0.0f && a.smoothing < 1.0f, "smoothing", "a number in [0, 1)");
  c.In("logits", a.logits, n);
  c.In("labels", a.labels, a.rows);
  for (int64_t i = 0; c.ok() && i < a.rows; ++i) c.Range("labels", a.labels[i], -1, a.classes - 1);
  c.Out("loss", a.loss, 1);
  c.Out("correct", a.correct, 1);
  c.OutOptional("dlogits", a.dlogits, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_sgd_args& a) {
  Checker c(ctx, "sgd");
  const int64_t n = c.Sizes("n", {a.n});
  c.Sizes("segments", {a.segments});
  c.Flag("nesterov", a.nesterov);
  c.Within("momentum", a.momentum, 0.0f, 1.0f);
  c.In("grad", a.grad, n);
  c.In("learning_rate", a.learning_rate, 1);
  c.In("segment_end", a.segment_end, a.segments);
  c.In("segment_decay", a.segment_decay, a.segments);
  int64_t end = 0;
  for (int64_t i = 0; c.ok() && i < a.segments; ++i) {
    c.Range("segment_end", a.segment_end[i], end, n);
    end = a.segment_end[i];
  }
  c.Require(end == n, "segment_end", "the last one to be n");
  c.Out("param", a.param, n);
  c.Out("velocity", a.velocity, n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_count_nonfinite_args& a) {
  Checker c(ctx, "count_nonfinite");
  const int64_t n = c.Sizes("n", {a.n});
  c.In("x", a.x, n);
  c.Out("count", a.count, 1);
  return c.Done();
}

// ---- codes ----

qt_status Check(qt_context& ctx, const qt_add_codes_args& a) {
  Checker c(ctx, "add_codes");
  const int64_t n = c.Sizes("n", {a.n});
  c.CodeGrid(a.qmin, a.qmax, a.code_type);
  c.Flag("relu", a.relu);
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
  c.Out("acc", a.acc, c.ok() ? a.n * a.c : 0);
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

qt_status Check(qt_context& ctx, const qt_reference_conv2d_args& a) {
  Checker c(ctx, "reference_conv2d");
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

qt_status Check(qt_context& ctx, const qt_reference_gemm_args& a) {
  Checker c(ctx, "reference_gemm");
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

}  // namespace qt
