// Weights to symmetric codes, and the sign that batch norm's gamma leaves in them: the largest
// magnitude per channel (an integer maximum, exact in any order), then the codes, elementwise.
#include "cuda/device/elementwise.h"
#include "cuda/device/grid.h"
#include "cuda/device/reduce.h"
#include "math/batch_norm.h"

namespace qt::cuda {
namespace {

__device__ inline float SignOf(const float* gamma, int64_t c) {
  return gamma == nullptr ? 1.0f : math::Sign(gamma[c]);
}

struct LargestReducer {
  using Total = int32_t;
  const float* w;
  float* scale;
  int32_t qmax;
  bool power_of_two;

  __device__ Total Zero() const { return 0; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    *total = Combine(*total, math::MagnitudeBits(w[element]));
  }
  __device__ Total Combine(Total a, Total b) const { return a > b ? a : b; }
  __device__ void Store(int64_t channel, Total total) const {
    const float absmax = math::BitsFloat(static_cast<uint32_t>(total));
    scale[channel] = math::Restricted(math::WeightScale(absmax, qmax), power_of_two);
  }
};

struct WeightCodeOp {
  using In = float;
  using Out = int8_t;
  struct Channel {
    math::Step step;
    float sign;
  };
  static constexpr bool kSecond = false, kMask = false, kDivides = true;
  const float* scale;
  const float* gamma;
  float qmin, qmax;

  __device__ Channel At(int64_t c) const { return {{scale[c], 0.0f}, SignOf(gamma, c)}; }
  __device__ Channel Prepared(int64_t c) const {
    return {math::StepOf(scale[c]), SignOf(gamma, c)};
  }
  __device__ static bool Multiplies(const Channel& c) { return math::Multiplies(c.step); }
  template <bool kMultiplies>
  __device__ int8_t Apply(int64_t, float w, float, const Channel& channel, bool*) const {
    int8_t code;
    const float level = Level<kMultiplies>(w * channel.sign, channel.step, 0.0f);
    math::StoreCode(math::Clamp(level, qmin, qmax), &code);
    return code;
  }
};

struct SignedOp {
  using In = float;
  using Out = float;
  using Channel = float;
  static constexpr bool kSecond = false, kMask = false, kDivides = false;
  const float* gamma;

  __device__ float At(int64_t c) const { return SignOf(gamma, c); }
  __device__ float Prepared(int64_t c) const { return At(c); }
  template <bool kMultiplies>
  __device__ float Apply(int64_t, float dwq, float, float sign, bool*) const {
    return math::Signed(sign, dwq);
  }
};

}  // namespace

cudaError_t quantize_weight(const Stream& stream, const qt_quantize_weight_args& a) {
  const LargestReducer largest = {a.w, a.scale, a.qmax, a.power_of_two != 0};
  const cudaError_t status = ReduceChannels(stream, largest, 1, a.channels, a.inner);
  if (status != cudaSuccess) return status;
  const WeightCodeOp op = {a.scale, a.gamma, static_cast<float>(a.qmin),
                           static_cast<float>(a.qmax)};
  return Elementwise(stream, op, a.w, nullptr, a.codes, nullptr, 1, a.channels, a.inner);
}

cudaError_t quantize_weight_backward(const Stream& stream,
                                     const qt_quantize_weight_backward_args& a) {
  const SignedOp op = {a.gamma};
  return Elementwise(stream, op, a.dwq, nullptr, a.dw, nullptr, 1, a.channels, a.inner);
}

}  // namespace qt::cuda
