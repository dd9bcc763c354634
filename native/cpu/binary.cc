// binary and where: broadcasting by strides, in runs along the innermost dimension in which each operand
// lies dense or repeats one element; one vector loop for each such pair, and one for other strides.
#include "cpu/map.h"
#include "cpu/strided.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Real, class F>
void BinaryRun(const Real* a, int64_t a_stride, const Real* b, int64_t b_stride, int64_t n,
               Real* to, F f) {
  if (a_stride == 1 && b_stride == 1) {
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) math::Narrow(f(math::Widen(a[k]), math::Widen(b[k])), &to[k]);
  } else if (a_stride == 1 && b_stride == 0) {
    const float same = math::Widen(*b);
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) math::Narrow(f(math::Widen(a[k]), same), &to[k]);
  } else if (a_stride == 0 && b_stride == 1) {
    const float same = math::Widen(*a);
#pragma omp simd
    for (int64_t k = 0; k < n; ++k) math::Narrow(f(same, math::Widen(b[k])), &to[k]);
  } else {
    for (int64_t k = 0; k < n; ++k) {
      math::Narrow(f(math::Widen(a[k * a_stride]), math::Widen(b[k * b_stride])), &to[k]);
    }
  }
}

template <class Real, class F>
void Broadcast(qt_context& ctx, const qt_binary_args& args, F f) {
  const math::Strided<2> s = math::Collapsed<2>(args.size, {args.a_stride, args.b_stride});
  const int64_t n = s.elements(), bytes = sizeof(Real);
  const Real* a = static_cast<const Real*>(args.a);
  const Real* b = static_cast<const Real*>(args.b);
  Real* y = static_cast<Real*>(args.y);
  const bool stream = Streams(2 * bytes * n) && a != y && b != y;
  ForChunks(ctx, n, y, stream, [=](int64_t i, int64_t count, Real* to) {
    Runs<2> runs(s, i);
    int64_t at[2];
    for (int64_t done = 0; done < count;) {
      const int64_t length = runs.Next(count - done, at);
      BinaryRun(a + at[0], s.stride[0][0], b + at[1], s.stride[1][0], length, to + done, f);
      done += length;
    }
  });
}

template <class Real>
void WhereOf(qt_context& ctx, const qt_where_args& args) {
  const math::Strided<3> s =
      math::Collapsed<3>(args.size, {args.condition_stride, args.a_stride, args.b_stride});
  const int64_t n = s.elements(), bytes = 4 + 2 * static_cast<int64_t>(sizeof(Real));
  const float* condition = args.condition;
  const Real* a = static_cast<const Real*>(args.a);
  const Real* b = static_cast<const Real*>(args.b);
  Real* y = static_cast<Real*>(args.y);
  const bool stream = Streams(bytes * n) && a != y && b != y;
  ForChunks(ctx, n, y, stream, [=](int64_t i, int64_t count, Real* to) {
    Runs<3> runs(s, i);
    int64_t at[3];
    for (int64_t done = 0; done < count;) {
      const int64_t length = runs.Next(count - done, at);
      const float* c = condition + at[0];
      const Real* from_a = a + at[1];
      const Real* from_b = b + at[2];
      Real* out = to + done;
      const int64_t c_stride = s.stride[0][0], a_stride = s.stride[1][0], b_stride = s.stride[2][0];
      if (c_stride == 1 && a_stride == 1 && b_stride == 1) {
#pragma omp simd
        for (int64_t k = 0; k < length; ++k) out[k] = math::Where(c[k], from_a[k], from_b[k]);
      } else if (c_stride == 1 && a_stride == 1 && b_stride == 0) {
        const Real same = *from_b;
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
}

}  // namespace

qt_status binary(qt_context& ctx, const qt_binary_args& args) {
  math::WithReal(args.element_type, [&](auto* type) {
    math::WithBinary(args.kind, [&](auto kind) {
      Broadcast<math::Pointed<decltype(type)>>(ctx, args, [](float a, float b) {
        return math::Binary<decltype(kind)::value>(a, b);
      });
    });
  });
  return QT_OK;
}

qt_status where(qt_context& ctx, const qt_where_args& args) {
  math::WithReal(args.element_type,
                 [&](auto* type) { WhereOf<math::Pointed<decltype(type)>>(ctx, args); });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
