// quantize, dequantize, scale_channels and requantize_codes, the same bits as cpu/quantize.cc. Elementwise:
// device/elementwise.h says how the work is cut.
#include "cuda/device/elementwise.h"
#include "cuda/device/grid.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real, class Code8or16>
struct QuantizeOp : GridOp {
  using In = Real;
  using Out = Code8or16;
  static constexpr bool kSecond = false, kMask = true, kDivides = true;

  template <bool kMultiplies>
  __device__ Out Apply(int64_t, Real x, Real, const Channel& channel, bool* bit) const {
    Out code;
    math::StoreCode(this->template Code<kMultiplies>(math::Widen(x), channel, bit), &code);
    return code;
  }
};

template <class Code8or16, class Real>
struct DequantizeOp : GridOp {
  using In = Code8or16;
  using Out = Real;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;

  __device__ Channel Prepared(int64_t c) const { return At(c); }  // nothing is divided

  template <bool kMultiplies>
  __device__ Real Apply(int64_t, In code, In, const Channel& channel, bool*) const {
    Real y;
    math::Narrow(math::Dequantize(math::Widen(code), channel.step, channel.zero_point), &y);
    return y;
  }
};

template <class Real, class RealOut>
struct ScaleChannelsOp {
  using In = Real;
  using Out = RealOut;
  using Channel = float;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;
  const float* factor;

  __device__ Channel Prepared(int64_t c) const { return factor == nullptr ? 1.0f : factor[c]; }
  __device__ Channel At(int64_t c) const { return Prepared(c); }

  template <bool kMultiplies>
  __device__ Out Apply(int64_t, In x, In, const Channel& channel, bool*) const {
    Out y;
    const float value = math::Widen(x);
    math::Narrow(factor == nullptr ? value : value * channel, &y);
    return y;
  }
};

template <class From, class To>
struct RequantizeCodesOp : GridOp {
  using In = From;
  using Out = To;
  struct Channel {
    GridOp::Channel from, to;
  };
  static constexpr bool kSecond = false, kMask = true, kDivides = true;
  const float* from_scale;
  const int32_t* from_zero_point;

  __device__ Channel Prepared(int64_t) const {
    return {{{*from_scale, 0.0f}, static_cast<float>(*from_zero_point)}, GridOp::Prepared(0)};
  }
  __device__ Channel At(int64_t c) const { return Prepared(c); }
  __device__ static bool Multiplies(const Channel& c) { return math::Multiplies(c.to.step); }
  template <bool kMultiplies>
  __device__ To Apply(int64_t, From x, From, const Channel& channel, bool* bit) const {
    const float value =
        math::Dequantize(math::Widen(x), channel.from.step, channel.from.zero_point);
    To code;
    math::StoreCode(this->template Code<kMultiplies>(value, channel.to, bit), &code);
    return code;
  }
};

}  // namespace

cudaError_t quantize(const Stream& stream, const qt_quantize_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    return math::WithCode(a.code_type, [&](auto* type) {
      using Real = math::Pointed<decltype(real)>;
      using Code = math::Pointed<decltype(type)>;
      const QuantizeOp<Real, Code> op = {GridOf(a)};
      return Elementwise(stream, op, static_cast<const Real*>(a.x), nullptr,
                         static_cast<Code*>(a.codes), a.mask, a.outer, a.channels, a.inner);
    });
  });
}

cudaError_t dequantize(const Stream& stream, const qt_dequantize_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    return math::WithCode(a.code_type, [&](auto* type) {
      using Real = math::Pointed<decltype(real)>;
      using Code = math::Pointed<decltype(type)>;
      const DequantizeOp<Code, Real> op = {{a.scale, a.zero_point, 0.0f, 0.0f}};
      return Elementwise(stream, op, static_cast<const Code*>(a.codes), nullptr,
                         static_cast<Real*>(a.y), nullptr, a.outer, a.channels, a.inner);
    });
  });
}

cudaError_t scale_channels(const Stream& stream, const qt_scale_channels_args& a) {
  return math::WithReal(a.element_type, [&](auto* in) {
    return math::WithReal(a.y_type, [&](auto* out) {
      using In = math::Pointed<decltype(in)>;
      using Out = math::Pointed<decltype(out)>;
      const ScaleChannelsOp<In, Out> op = {a.factor};
      return Elementwise(stream, op, static_cast<const In*>(a.x), nullptr,
                         static_cast<Out*>(a.y), nullptr, a.outer, a.channels, a.inner);
    });
  });
}

cudaError_t requantize_codes(const Stream& stream, const qt_requantize_codes_args& a) {
  return math::WithCode8(a.code_type, [&](auto* from) {
    return math::WithCode8(a.out_code_type, [&](auto* to) {
      using From = math::Pointed<decltype(from)>;
      using To = math::Pointed<decltype(to)>;
      RequantizeCodesOp<From, To> op;
      op.scale = a.out_scale;
      op.zero_point = a.out_zero_point;
      op.qmin = static_cast<float>(a.qmin);
      op.qmax = static_cast<float>(a.qmax);
      op.from_scale = a.scale;
      op.from_zero_point = a.zero_point;
      return Elementwise(stream, op, static_cast<const From*>(a.codes), nullptr,
                         static_cast<To*>(a.out_codes), a.mask, 1, 1, a.n);
    });
  });
}

}  // namespace qt::cuda
