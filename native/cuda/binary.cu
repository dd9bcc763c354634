// binary and where: the bits of cpu/binary.cc. Operands that both lie as the output does go 16 bytes at a
// time; otherwise a thread takes an element and finds the places of its operands.
#include "cuda/device/map.h"
#include "cuda/device/strided.h"
#include "cuda/kernels.h"
#include "math/tensors.h"

namespace qt::cuda {
namespace {

template <int kKind>
struct Dense {
  __device__ float Apply(float a, float b) const { return math::Binary<kKind>(a, b); }
};

template <int kKind, class Real>
struct Broadcast {
  const Real* a;
  const Real* b;
  Real* y;
  __device__ void Apply(int64_t i, const int64_t (&offset)[2]) const {
    math::Narrow(math::Binary<kKind>(math::Widen(a[offset[0]]), math::Widen(b[offset[1]])), &y[i]);
  }
};

template <class Real>
struct Where {
  const float* condition;
  const Real* a;
  const Real* b;
  Real* y;
  __device__ void Apply(int64_t i, const int64_t (&offset)[3]) const {
    y[i] = math::Where(condition[offset[0]], a[offset[1]], b[offset[2]]);
  }
};

}  // namespace

cudaError_t binary(const Stream& stream, const qt_binary_args& args) {
  const math::Strided<2> s = math::Collapsed<2>(args.size, {args.a_stride, args.b_stride});
  const bool dense = math::IsDense(s, 0) && math::IsDense(s, 1);
  return math::WithBinary(args.kind, [&](auto kind) {
    constexpr int kKind = decltype(kind)::value;
    if (dense) {
      return Map(stream, Dense<kKind>{}, {args.a, args.b, args.y, args.element_type},
                 s.elements());
    }
    return math::WithReal(args.element_type, [&](auto* type) {
      using Real = math::Pointed<decltype(type)>;
      return ForStrided(stream,
                        Broadcast<kKind, Real>{static_cast<const Real*>(args.a),
                                               static_cast<const Real*>(args.b),
                                               static_cast<Real*>(args.y)},
                        s);
    });
  });
}

cudaError_t where(const Stream& stream, const qt_where_args& args) {
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    return ForStrided(
        stream,
        Where<Real>{args.condition, static_cast<const Real*>(args.a),
                    static_cast<const Real*>(args.b), static_cast<Real*>(args.y)},
        math::Collapsed<3>(args.size, {args.condition_stride, args.a_stride, args.b_stride}));
  });
}

}  // namespace qt::cuda
