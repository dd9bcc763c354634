// binary and where: broadcasting by strides, in runs along the innermost dimension in which each operand
// lies dense or repeats one element; one vector loop for each such pair, and one for other strides.
#include "cpu/map.h"
#include "cpu/strided.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class F>
void BinaryRun(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t n,
               float* to, F f) {
  if (a_stride == 1 && b_stride == 1) {
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) to[k] = f(a[k], b[k]);
  } else if (a_stride == 1 && b_stride == 0) {
    const float same = *b;
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) to[k] = f(a[k], same);
  } else if (a_stride == 0 && b_stride == 1) {
    const float same = *a;
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) to[k] = f(same, b[k]);
  } else {
    for (int64_t k = 0; k < n; ++k) to[k] = f(a[k * a_stride], b[k * b_stride]);
  }
}

template <class F>
void Broadcast(qt_context& ctx, const qt_binary_args& args, F f) {
  const math::Strided<2> s = math::Collapsed<2>(args.size, {args.a_stride, args.b_stride});
  const int64_t n = s.elements();
  const float* a = args.a;
  const float* b = args.b;
  const bool stream = Streams(8 * n) && a != args.y && b != args.y;
  ForChunks(ctx, n, args.y, stream, [=](int64_t i, int64_t count, float* to) {
    Runs<2> runs(s, i);
    int64_t at[2];
    for (int64_t done = 0; done < count;) {
      const int64_t length = runs.Next(count - done, at);
      BinaryRun(a + at[0], s.stride[0][0], b + at[1], s.stride[1][0], length, to + done, f);
      done += length;
    }
  });
}

}  // namespace

qt_status binary(qt_context& ctx, const qt_binary_args& args) {
  math::WithBinary(args.kind, [&](auto kind) {
    Broadcast(ctx, args,
              [](float a, float b) { return math::Binary<decltype(kind)::value>(a, b); });
  });
  return QT_OK;
}

qt_status where(qt_context& ctx, const qt_where_args& args) {
  const math::Strided<3> s =
      math::Collapsed<3>(args.size, {args.condition_stride, args.a_stride, args.b_stride});
  const int64_t n = s.elements();
  const float* condition = args.condition;
  const float* a = args.a;
  const float* b = args.b;
  const bool stream = Streams(12 * n) && a != args.y && b != args.y;
  ForChunks(ctx, n, args.y, stream, [=](int64_t i, int64_t count, float* to) {
    Runs<3> runs(s, i);
    int64_t at[3];
    for (int64_t done = 0; done < count;) {
      const int64_t length = runs.Next(count - done, at);
      const float* c = condition + at[0];
      const float* from_a = a + at[1];
      const float* from_b = b + at[2];
      float* out = to + done;
      const int64_t c_stride = s.stride[0][0], a_stride = s.stride[1][0], b_stride = s.stride[2][0];
      if (c_stride == 1 && a_stride == 1 && b_stride == 1) {
#pragma omp simd
        for (int64_t k = 0; k < length; ++k) out[k] = math::Where(c[k], from_a[k], from_b[k]);
      } else if (c_stride == 1 && a_stride == 1 && b_stride == 0) {
        const float same = *from_b;
#pragma omp simd
        for (int64_t k = 0; k < length; ++k) out[k] = math::Where(c[k], from_a[k], same);
      } else {
        for (int64_t k = 0; k < length; ++k) {
          out[k] = math::Where(c[k * c_stride], from_a[k * a_stride], from_b[k * b_stride]);
        }
      }
      done += length;
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
