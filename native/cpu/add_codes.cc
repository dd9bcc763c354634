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

void Join(const Range& b, Range* a) {
  a->min = b.min < a->min ? b.min : a->min;
  a->max = b.max > a->max ? b.max : a->max;
}

// The sum of two codes' real values.
template <class Code>
struct RealSum {
  const Code* a;
  const Code* b;
  float a_scale, a_zero_point, b_scale, b_zero_point;

  template <class T>
  T At(int64_t i) const {
    return math::Dequantize(LoadAs<T>(a + i), T(a_scale), T(a_zero_point)) +
           math::Dequantize(LoadAs<T>(b + i), T(b_scale), T(b_zero_point));
  }
};

// Of the elements [begin, end).
template <class Code>
Range RangeOf(const RealSum<Code>& sum, int64_t begin, int64_t end) {
  const RealSum<Code> own = sum;
  Range all = {HUGE_VALF, -HUGE_VALF};
  int64_t i = begin;
#if QT_VECTORS
  Vector min(all.min), max(all.max);
  for (; i + 64 <= end; i += 64) {
    FetchAhead(own.a + i);
    FetchAhead(own.b + i);
    for (int64_t k = i; k < i + 64; k += Vector::kSize) {
      const Vector v = own.template At<Vector>(k);
      min = Smaller(v, min);
      max = Larger(v, max);
    }
  }
  float least[Vector::kSize], most[Vector::kSize];
  StoreVector(min, least);
  StoreVector(max, most);
  for (int64_t k = 0; k < Vector::kSize; ++k) Join({least[k], most[k]}, &all);
#endif
  float rest_min = all.min, rest_max = all.max;
#pragma omp simd reduction(min : rest_min) reduction(max : rest_max)
  for (int64_t k = i; k < end; ++k) {
    const float v = own.template At<float>(k);
    rest_min = v < rest_min ? v : rest_min;
    rest_max = v > rest_max ? v : rest_max;
  }
  return {rest_min, rest_max};
}

template <class T>
qt_status AddCodesRange(qt_context& ctx, const qt_add_codes_range_args& args) {
  const int64_t blocks = DivUp(args.n, kBlock);
  Range* ranges = ScratchArray<Range>(ctx, blocks);
  if (ranges == nullptr) return QT_OUT_OF_MEMORY;
  const RealSum<T> sum = {static_cast<const T*>(args.a),
                          static_cast<const T*>(args.b),
                          *args.a_scale,
                          static_cast<float>(*args.a_zero_point),
                          *args.b_scale,
                          static_cast<float>(*args.b_zero_point)};
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    ranges[block] = RangeOf(sum, begin, end);
  });
  Range all = {HUGE_VALF, -HUGE_VALF};
  for (int64_t block = 0; block < blocks; ++block) Join(ranges[block], &all);
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
