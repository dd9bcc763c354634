// relu, relu_backward, add, add_bias: the bits of cpu/elementwise.cc, one pass over memory.
// channel_sum: double sums in the order of device/reduce.h.
#include "cuda/device/map.h"
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

struct Relu {
  float upper;
  __device__ float Apply(float x, float) const { return math::Relu(x, upper); }
};

struct ReluGradient {
  float upper;
  __device__ float Apply(float y, float dy) const { return math::ReluGradient(y, dy, upper); }
};

struct Sum {
  __device__ float Apply(float a, float b) const { return a + b; }
};

struct AddBias {
  const float* bias;
  using Channel = float;
  __device__ float Prepare(int64_t channel) const { return bias[channel]; }
  __device__ float Apply(float channel_bias, float x, float) const { return x + channel_bias; }
};

template <class Real, bool kMask>
struct ChannelSum {
  const Real* x;
  const uint8_t* mask;
  float* sum;
  using Total = double;
  __device__ Total Zero() const { return 0.0; }
  __device__ void Add(Total* total, int64_t i, int64_t) const {
    if (!kMask || MaskBit(mask, i)) *total += static_cast<double>(math::Widen(x[i]));
  }
  __device__ Total Combine(Total a, Total b) const { return a + b; }
  __device__ void Store(int64_t channel, Total total) const {
    sum[channel] = static_cast<float>(total);
  }
};

}  // namespace

cudaError_t relu(const Stream& stream, const qt_relu_args& args) {
  return Map(stream, Relu{args.upper}, {args.x, nullptr, args.y, args.element_type}, args.n);
}

cudaError_t relu_backward(const Stream& stream, const qt_relu_backward_args& args) {
  return Map(stream, ReluGradient{args.upper}, {args.y, args.dy, args.dx, args.element_type},
             args.n);
}

cudaError_t add(const Stream& stream, const qt_add_args& args) {
  return Map(stream, Sum{}, {args.a, args.b, args.y, args.element_type}, args.n);
}

cudaError_t add_bias(const Stream& stream, const qt_add_bias_args& args) {
  return MapColumns(stream, AddBias{args.bias}, {args.x, nullptr, args.y, args.element_type},
                    args.rows, args.channels);
}

cudaError_t channel_sum(const Stream& stream, const qt_channel_sum_args& args) {
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* const x = static_cast<const Real*>(args.x);
    if (args.mask == nullptr) {
      return ReduceChannels(stream, ChannelSum<Real, false>{x, nullptr, args.sum}, args.rows,
                            args.channels, 1);
    }
    return ReduceChannels(stream, ChannelSum<Real, true>{x, args.mask, args.sum}, args.rows,
                          args.channels, 1);
  });
}

}  // namespace qt::cuda
