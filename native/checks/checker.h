// Argument checks, before a kernel touches memory: null and misaligned pointers, sizes and their
// products, grids and enums, scales, and outputs that overlap what they must not. All O(1) but for
// scales and zero-points, one per channel. The text has the form "[kernel] field: expected ..., got
// ...".
#ifndef QUANTRAIN_CHECKS_CHECKER_H_
#define QUANTRAIN_CHECKS_CHECKER_H_

#include <math.h>
#include <stdio.h>

#include <initializer_list>
#include <utility>

#include "context.h"

namespace qt {

inline constexpr int64_t kMaxElements = int64_t{1} << 48;  // sizes in bytes stay far from overflow
inline constexpr int64_t kMaxRows = (int64_t{1} << 31) - 1;

inline int64_t ElementBytes(int32_t element_type) {
  return element_type == QT_ELEMENT_F32 ? 4 : element_type == QT_ELEMENT_BF16 ? 2 : 1;
}
inline int64_t CodeBytes(int32_t code_type) { return code_type >= QT_U16 ? 2 : 1; }
inline int64_t MaskBytes(int64_t n) { return (n + 7) / 8; }

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

  // Offsets of the first and last element in memory of a tensor with strides; {0, -1} without any.
  struct Extent {
    int64_t low, high;
    int64_t count() const { return high - low + 1; }
  };
  Extent Strided(const char* field, const int64_t (&size)[6], const int64_t (&stride)[6],
                 bool may_be_negative = false) {
    Extent extent = {0, 0};
    const int64_t elements =
        Sizes("size", {size[0], size[1], size[2], size[3], size[4], size[5]});
    for (int d = 0; d < 6; ++d) {
      Range(field, stride[d], may_be_negative ? -kMaxElements : 0, kMaxElements);
      if (!ok() || elements == 0 || size[d] == 1) continue;
      const int64_t magnitude = stride[d] < 0 ? -stride[d] : stride[d];
      Range(field, magnitude, 0, kMaxElements / (size[d] - 1));
      if (ok()) (stride[d] < 0 ? extent.low : extent.high) += (size[d] - 1) * stride[d];
    }
    if (!ok() || elements == 0) return {0, -1};
    return extent;
  }

  // Strides >= 0 that reach no element twice.
  void Distinct(const char* field, const int64_t (&size)[6], const int64_t (&stride)[6]) {
    int64_t reach = 0;  // of the dimensions with the smaller strides
    bool seen[6] = {};
    for (int i = 0; ok() && i < 6; ++i) {
      int least = -1;
      for (int d = 0; d < 6; ++d) {
        if (!seen[d] && size[d] > 1 && (least < 0 || stride[d] < stride[least])) least = d;
      }
      if (least < 0) return;
      seen[least] = true;
      if (stride[least] <= reach) {
        Failed(field, "expected strides that reach no element twice, got %lld",
               static_cast<long long>(stride[least]));
      }
      reach += (size[least] - 1) * stride[least];
    }
  }

  // Row-major without gaps.
  static bool Dense(const int64_t (&size)[6], const int64_t (&stride)[6]) {
    int64_t expected = 1;
    for (int d = 5; d >= 0; --d) {
      if (size[d] != 1 && stride[d] != expected) return false;
      expected *= size[d];
    }
    return true;
  }

  template <class T>
  void In(const char* field, const T* p, int64_t count) {
    Add(field, p, Bytes(field, count, sizeof(T)), alignof(T), /*output=*/false, nullptr,
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
    Add(field, p, Bytes(field, count, sizeof(T)), alignof(T), /*output=*/true, may_be,
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

  // Inputs whose values are checked as well, where the host can read them.
  bool HostValues() const { return ok() && ctx_.on_device == nullptr; }

  void Scales(const char* field, const float* p, int64_t count) {
    In(field, p, count);
    if (ctx_.on_device != nullptr) return;
    for (int64_t i = 0; ok() && i < count; ++i) {
      if (!(p[i] > 0.0f)) Failed(field, i, "expected > 0, got %g", static_cast<double>(p[i]));
      if (ok() && p[i] > 3.40282347e+38f)
        Failed(field, i, "expected a finite value, got %g", static_cast<double>(p[i]));
    }
  }

  void Variances(const char* field, const float* p, int64_t count) {
    In(field, p, count);
    if (!HostValues()) return;
    for (int64_t i = 0; ok() && i < count; ++i) {
      if (!(p[i] >= 0.0f)) Failed(field, i, "expected >= 0, got %g", static_cast<double>(p[i]));
    }
  }

  void ZeroPoints(const char* field, const int32_t* p, int64_t count, int32_t least, int32_t most) {
    In(field, p, count);
    if (ctx_.on_device != nullptr) return;
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

  // Of elements that are moved only.
  void MovedBytes(int32_t bytes) {
    if (ok() && bytes != 1 && bytes != 2 && bytes != 4) {
      Failed("element_bytes", "expected 1, 2 or 4, got %d", bytes);
    }
  }

  // A tensor of float or bf16 elements; may_be as in Out.
  void RealType(int32_t type, const char* field = "element_type") {
    if (ok() && type != QT_ELEMENT_F32 && type != QT_ELEMENT_BF16) {
      Failed(field, "expected QT_ELEMENT_F32 (%d) or QT_ELEMENT_BF16 (%d), got %d", QT_ELEMENT_F32,
             QT_ELEMENT_BF16, type);
    }
  }
  void RealIn(const char* field, const void* p, int64_t count, int32_t type) {
    const int64_t bytes = ElementBytes(type);
    Add(field, p, Bytes(field, count, bytes), bytes, /*output=*/false, nullptr, nullptr);
  }
  void RealOut(const char* field, void* p, int64_t count, int32_t type,
               const void* may_be = nullptr, const void* or_be = nullptr) {
    const int64_t bytes = ElementBytes(type);
    Add(field, p, Bytes(field, count, bytes), bytes, /*output=*/true, may_be, or_be);
  }

  // widest: QT_S16 where containers of 16 bits are known.
  void CodeType(const char* field, int32_t type, int32_t widest = QT_S8) {
    Range(field, type, QT_U8, widest);
  }

  // A grid that the code type holds; 0 need not be in it (a clamp may begin above).
  void CodeGrid(int32_t qmin, int32_t qmax, int32_t type, int32_t widest = QT_S8) {
    CodeType("code_type", type, widest);
    const int32_t least = Least(type), most = Most(type);
    Range("qmin", qmin, least, most);
    Range("qmax", qmax, least, most);
    if (ok() && qmin >= qmax) Failed("qmax", "expected > qmin = %d, got %d", qmin, qmax);
  }

  static int32_t Least(int32_t type) {
    return type == QT_S8 ? -128 : type == QT_S16 ? -32768 : 0;
  }
  static int32_t Most(int32_t type) {
    return type == QT_U8 ? 255 : type == QT_S8 ? 127 : type == QT_U16 ? 65535 : 32767;
  }

  // Symmetric weight grid: qmin = -qmax or -qmax - 1.
  void WeightGrid(int32_t qmin, int32_t qmax) {
    Range("qmax", qmax, 1, 127);
    Range("qmin", qmin, -int64_t{qmax} - 1, -int64_t{qmax});
  }

  // Places on an axis.
  void Indices(const char* field, const int32_t* p, int64_t count, int64_t axis) {
    In(field, p, count);
    if (!HostValues()) return;
    for (int64_t i = 0; ok() && i < count; ++i) {
      if (p[i] < 0 || p[i] >= axis) {
        Failed(field, i, "expected 0..%lld, got %d", static_cast<long long>(axis - 1), p[i]);
      }
    }
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

  // What the gradients of batch norm share: the sums are written, or given for sum_rows rows, and
  // where they are written the gradient of the input may be left out.
  template <class Args>
  void BatchGradient(const char* field, void* gradient, int64_t n, int32_t type,
                     const void* may_be, const Args& a) {
    const bool given = a.sum_rows != 0;
    if (given) Range("sum_rows", a.sum_rows, a.rows, kMaxRows);
    if (given || gradient != nullptr) RealOut(field, gradient, n, type, may_be);
    for (const auto& [name, sums] : {std::pair{"dgamma", a.dgamma}, std::pair{"dbeta", a.dbeta}}) {
      if (given) {
        In(name, sums, a.channels);
      } else {
        Out(name, sums, a.channels);
      }
    }
  }

  // Sizes of a window op on NHWC; returns the elements of the input and sets those of the output.
  int64_t Window(const qt_window& w, int64_t output_channels, int64_t* output) {
    const int64_t input = Sizes("window", {w.n, w.h, w.w, w.c});
    *output = Sizes("window", {w.n, w.p, w.q, output_channels});
    for (const int64_t size : {w.n, w.h, w.w, w.c, w.p, w.q}) Range("window", size, 0, kMaxRows);
    Range("window.kernel_h", w.kernel_h, 1, 1 << 20);
    Range("window.kernel_w", w.kernel_w, 1, 1 << 20);
    Range("window.stride_h", w.stride_h, 1, 1 << 20);
    Range("window.stride_w", w.stride_w, 1, 1 << 20);
    Range("window.pad_top", w.pad_top, 0, 1 << 20);
    Range("window.pad_left", w.pad_left, 0, 1 << 20);
    return input;
  }

  // Every window begins inside the input, or in padding less wide than the kernel.
  int64_t CloseWindow(const qt_window& w, int64_t output_channels, int64_t* output) {
    const int64_t input = Window(w, output_channels, output);
    if (!ok()) return 0;
    Require(w.pad_top < w.kernel_h, "window.pad_top", "less than kernel_h");
    Require(w.pad_left < w.kernel_w, "window.pad_left", "less than kernel_w");
    Require(w.p == 0 || (w.p - 1) * w.stride_h - w.pad_top < w.h, "window.p",
            "windows that begin inside the input");
    Require(w.q == 0 || (w.q - 1) * w.stride_w - w.pad_left < w.w, "window.q",
            "windows that begin inside the input");
    return input;
  }

  // Pooling: every window holds at least one cell of the input.
  int64_t PoolWindow(const qt_window& w, int64_t* output) { return CloseWindow(w, w.c, output); }

  // Outputs against everything else; the last check of every call.
  qt_status Done() {
    for (int i = 0; ok() && i < count_; ++i) {
      if (!buffers_[i].output || buffers_[i].bytes == 0) continue;
      for (int j = 0; ok() && j < count_; ++j) {
        if (i == j || buffers_[j].bytes == 0) continue;
        const Buffer& a = buffers_[i];
        const Buffer& b = buffers_[j];
        if (a.begin >= b.begin + b.bytes || b.begin >= a.begin + a.bytes) continue;
        // In place: the whole of one is the whole of the other.
        const bool same = a.begin == b.begin && a.bytes == b.bytes;
        const bool allowed = same && ((a.may_be == a.begin || a.or_be == a.begin) ||
                                      (b.output && (b.may_be == b.begin || b.or_be == b.begin)));
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

  // Bytes of count objects; 0 after a failure, when sizes may be anything.
  int64_t Bytes(const char* field, int64_t count, int64_t size) {
    if (ok() && (count < 0 || count > kMaxElements)) {
      Failed(field, "expected 0..2^48 elements, got %lld", static_cast<long long>(count));
    }
    return ok() ? count * size : 0;
  }

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
    if (ctx_.holds != nullptr && !ctx_.holds(p, bytes)) {
      Failed(field, "expected %lld bytes, got a smaller buffer", static_cast<long long>(bytes));
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

}  // namespace qt

#endif  // QUANTRAIN_CHECKS_CHECKER_H_
