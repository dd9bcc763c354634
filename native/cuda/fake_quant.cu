// fake_quant, its backward and ste_backward, the same bits as cpu/fake_quant.cc. Elementwise:
// device/elementwise.h says how the work is cut.
#include "cuda/device/elementwise.h"
#include "cuda/device/grid.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real>
struct FakeQuantOp : GridOp {
  using In = Real;
  using Out = Real;
  static constexpr bool kSecond = false, kMask = true, kDivides = true;

  template <bool kMultiplies>
  __device__ Real Apply(int64_t, Real x, Real, const Channel& channel, bool* bit) const {
    const float code = this->template Code<kMultiplies>(math::Widen(x), channel, bit);
    Real y;
    math::Narrow(math::Dequantize(code, channel.step, channel.zero_point), &y);
    return y;
  }
};

template <class Real>
struct FakeQuantBackwardOp : GridOp {
  using In = Real;
  using Out = Real;
  static constexpr bool kSecond = true, kMask = false, kDivides = true;

  template <bool kMultiplies>
  __device__ Real Apply(int64_t, Real x, Real dy, const Channel& channel, bool*) const {
    bool kept = false;
    this->template Code<kMultiplies>(math::Widen(x), channel, &kept);
    Real dx;
    math::Narrow(math::Select(kept, math::Widen(dy)), &dx);
    return dx;
  }
};

template <class Real>
struct SteBackwardOp {
  using In = Real;
  using Out = Real;
  using Channel = NoChannel;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;
  const uint8_t* mask;  // or null

  __device__ Channel At(int64_t) const { return {}; }
  __device__ Channel Prepared(int64_t) const { return {}; }
  template <bool kMultiplies>
  __device__ Real Apply(int64_t i, Real dy, Real, const Channel&, bool*) const {
    return math::Select(mask == nullptr || (mask[i / 8] >> (i % 8) & 1) != 0, dy);
  }
};

}  // namespace

cudaError_t fake_quant(const Stream& stream, const qt_fake_quant_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const FakeQuantOp<Real> op = {GridOf(a)};
    return Elementwise(stream, op, static_cast<const Real*>(a.x), nullptr, static_cast<Real*>(a.y),
                       a.mask, a.outer, a.channels, a.inner);
  });
}

cudaError_t fake_quant_backward(const Stream& stream, const qt_fake_quant_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const FakeQuantBackwardOp<Real> op = {GridOf(a)};
    return Elementwise(stream, op, static_cast<const Real*>(a.x), static_cast<const Real*>(a.dy),
                       static_cast<Real*>(a.dx), nullptr, a.outer, a.channels, a.inner);
  });
}

cudaError_t ste_backward(const Stream& stream, const qt_ste_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const SteBackwardOp<Real> op = {a.mask};
    return Elementwise(stream, op, static_cast<const Real*>(a.dy), nullptr,
                       static_cast<Real*>(a.dx), nullptr, 1, 1, a.n);
  });
}

}  // namespace qt::cuda
