// add_codes and add_codes_fixed: the residual add on codes by a runtime's contract;
// add_codes_range: the range of its real values.
#include <math.h>

#include "cpu/binary_codes.h"
#include "math/range.h"

namespace qt::cpu::QT_ISA {
namespace {

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
  math::StoreActivatedRange(all.min, all.max, args.relu != 0, args.upper, args.min, args.max);
  return QT_OK;
}

}  // namespace

qt_status add_codes(qt_context& ctx, const qt_add_codes_args& a) {
  const int32_t zero_point = *a.y_zero_point;
  BinaryCodes(ctx, a,
              math::MakeFloatAdd(*a.a_scale, *a.a_zero_point, *a.b_scale, *a.b_zero_point,
                                 *a.y_scale, zero_point),
              math::MakeEnds<float>(a.qmin, a.qmax, zero_point, a.relu != 0));
  return QT_OK;
}

qt_status add_codes_fixed(qt_context& ctx, const qt_add_codes_fixed_args& a) {
  const int32_t zero_point = *a.y_zero_point;
  const auto ends = math::MakeEnds<int32_t>(a.qmin, a.qmax, zero_point, a.relu != 0);
  if (a.contract == QT_ADD_TFLITE) {
    BinaryCodes(ctx, a,
                math::MakeTfliteAdd(*a.a_scale, *a.a_zero_point, *a.b_scale, *a.b_zero_point,
                                    *a.y_scale, zero_point),
                ends);
  } else {
    BinaryCodes(ctx, a,
                math::MakeXnnpackAdd(*a.a_scale, *a.a_zero_point, *a.b_scale, *a.b_zero_point,
                                     *a.y_scale, zero_point),
                ends);
  }
  return QT_OK;
}

qt_status add_codes_range(qt_context& ctx, const qt_add_codes_range_args& args) {
  return args.code_type == QT_U8 ? AddCodesRange<uint8_t>(ctx, args)
                                 : AddCodesRange<int8_t>(ctx, args);
}

}  // namespace qt::cpu::QT_ISA
