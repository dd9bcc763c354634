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

template <int kKind>
struct Broadcast {
  const float* a;
  const float* b;
  float* y;
  __device__ void Apply(int64_t i, const int64_t (&offset)[2]) const {
    y[i] = math::Binary<kKind>(a[offset[0]], b[offset[1]]);
  }
};

struct Where {
  const float* condition;
  const float* a;
  const float* b;
  float* y;
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
    return dense ? Map(stream, Dense<kKind>{}, {args.a, args.b, args.y, QT_ELEMENT_F32},
                       s.elements())
                 : ForStrided(stream, Broadcast<kKind>{args.a, args.b, args.y}, s);
  });
}

cudaError_t where(const Stream& stream, const qt_where_args& args) {
  return ForStrided(
      stream, Where{args.condition, args.a, args.b, args.y},
      math::Collapsed<3>(args.size, {args.condition_stride, args.a_stride, args.b_stride}));
}

}  // namespace qt::cuda
