// add_codes and add_codes_range: the residual add on codes by the contract of math/requantize.h,
// and the range of its real values. One pass, in chunks whose flags stay in the nearest cache until
// they are packed into the mask.
#include <math.h>

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "math/range.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;

// A function of its own: inside the lambda, stores of bytes could alias what it captured.
template <class T>
void AddChunk(const T* a, const T* b, int64_t n, math::AddConstants k, float lo, float hi,
              bool relu, T* y, uint8_t* flags) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float level = math::AddLevel(static_cast<float>(a[i]), static_cast<float>(b[i]), k);
    // With ReLU a value at the zero-point itself is a clipped one.
    flags[i] = math::InRange(level, lo, hi) & (!relu | (level > lo)) ? 1 : 0;
    y[i] = static_cast<T>(static_cast<int32_t>(math::AddCode(level, lo, hi)));
  }
}

template <class T>
void AddCodes(qt_context& ctx, const qt_add_codes_args& args) {
  const T* a = static_cast<const T*>(args.a);
  const T* b = static_cast<const T*>(args.b);
  T* y = static_cast<T*>(args.y);
  uint8_t* mask = args.mask;
  const float zero_point = static_cast<float>(*args.y_zero_point);
  const math::AddConstants k =
      math::MakeAddConstants(*args.a_scale, static_cast<float>(*args.a_zero_point), *args.b_scale,
                             static_cast<float>(*args.b_zero_point), *args.y_scale, zero_point);
  const bool relu = args.relu != 0;
  const float lo = relu ? zero_point : static_cast<float>(args.qmin);
  const float hi = static_cast<float>(args.qmax);
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t first = begin; first < end; first += kChunk) {
      const int64_t n = Min(kChunk, end - first);
      uint8_t flags[kChunk];
      AddChunk(a + first, b + first, n, k, lo, hi, relu, y + first, flags);
      if (mask != nullptr) PackMask(flags, n, mask + first / 8);
    }
  });
}

struct Range {
  float min, max;
};

template <class T>
Range AddRange(const T* a, const T* b, int64_t n, float sa, float za, float sb, float zb) {
  float min = HUGE_VALF, max = -HUGE_VALF;
#pragma omp simd reduction(min : min) reduction(max : max)
  for (int64_t i = 0; i < n; ++i) {
    const float sum = math::Dequantize(static_cast<float>(a[i]), sa, za) +
                      math::Dequantize(static_cast<float>(b[i]), sb, zb);
    min = sum < min ? sum : min;
    max = sum > max ? sum : max;
  }
  return {min, max};
}

template <class T>
qt_status AddCodesRange(qt_context& ctx, const qt_add_codes_range_args& args) {
  const int64_t blocks = DivUp(args.n, kBlock);
  Range* ranges = ScratchArray<Range>(ctx, blocks);
  if (ranges == nullptr) return QT_OUT_OF_MEMORY;
  const T* a = static_cast<const T*>(args.a);
  const T* b = static_cast<const T*>(args.b);
  const float sa = *args.a_scale, za = static_cast<float>(*args.a_zero_point);
  const float sb = *args.b_scale, zb = static_cast<float>(*args.b_zero_point);
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    ranges[block] = AddRange(a + begin, b + begin, end - begin, sa, za, sb, zb);
  });
  Range all = {HUGE_VALF, -HUGE_VALF};
  for (int64_t block = 0; block < blocks; ++block) {
    all.min = ranges[block].min < all.min ? ranges[block].min : all.min;
    all.max = ranges[block].max > all.max ? ranges[block].max : all.max;
  }
  if (args.n == 0) all = {0.0f, 0.0f};
  // Both activations are monotone, so they act on the ends. + 0 turns -0, whose order is undefined,
  // into +0.
  const float lo = args.relu != 0 ? 0.0f : -HUGE_VALF;
  *args.min = math::Clamp(all.min, lo, args.upper) + 0.0f;
  *args.max = math::Clamp(all.max, lo, args.upper) + 0.0f;
  return QT_OK;
}

}  // namespace

qt_status add_codes(qt_context& ctx, const qt_add_codes_args& args) {
  if (args.code_type == QT_U8) {
    AddCodes<uint8_t>(ctx, args);
  } else {
    AddCodes<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status add_codes_range(qt_context& ctx, const qt_add_codes_range_args& args) {
  return args.code_type == QT_U8 ? AddCodesRange<uint8_t>(ctx, args)
                                 : AddCodesRange<int8_t>(ctx, args);
}

}  // namespace qt::cpu::QT_ISA
