// Binary weights: the mean magnitude per channel, summed in double in the fixed order of
// device/reduce.h, then signs and values, elementwise.
#include "cuda/device/elementwise.h"
#include "cuda/device/reduce.h"
#include "math/quantize.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real>
struct MagnitudeReducer {
  using Total = double;
  const Real* w;
  float* scale;
  int64_t inner;

  __device__ Total Zero() const { return 0.0; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    *total += static_cast<double>(math::Magnitude(math::Widen(w[element])));
  }
  __device__ Total Combine(Total a, Total b) const { return a + b; }
  __device__ void Store(int64_t channel, Total total) const {
    scale[channel] = math::MeanMagnitude(total, inner);
  }
};

template <class Real>
struct SignCodeOp {
  using In = Real;
  using Out = int8_t;
  using Channel = NoChannel;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;

  __device__ Channel At(int64_t) const { return {}; }
  __device__ Channel Prepared(int64_t) const { return {}; }
  template <bool kMultiplies>
  __device__ int8_t Apply(int64_t, Real w, Real, const Channel&, bool*) const {
    int8_t code;
    math::StoreCode(math::Sign(math::Widen(w)), &code);
    return code;
  }
};

template <class Real>
struct BinaryOp {
  using In = Real;
  using Out = Real;
  using Channel = float;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;
  const float* scale;

  __device__ float At(int64_t c) const { return scale[c]; }
  __device__ float Prepared(int64_t c) const { return At(c); }
  template <bool kMultiplies>
  __device__ Real Apply(int64_t, Real w, Real, float s, bool*) const {
    Real y;
    math::Narrow(math::Sign(math::Widen(w)) * s, &y);
    return y;
  }
};

}  // namespace

cudaError_t binary_weight(const Stream& stream, const qt_binary_weight_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* w = static_cast<const Real*>(a.w);
    const MagnitudeReducer<Real> magnitude = {w, a.scale, a.inner};
    cudaError_t status = ReduceChannels(stream, magnitude, 1, a.channels, a.inner);
    // Codes first: y may be w.
    if (status == cudaSuccess && a.codes != nullptr) {
      status = Elementwise(stream, SignCodeOp<Real>(), w, nullptr, a.codes, nullptr, 1, 1,
                           a.channels * a.inner);
    }
    if (status != cudaSuccess || a.y == nullptr) return status;
    const BinaryOp<Real> op = {a.scale};
    return Elementwise(stream, op, w, nullptr, static_cast<Real*>(a.y), nullptr, 1, a.channels,
                       a.inner);
  });
}

}  // namespace qt::cuda
