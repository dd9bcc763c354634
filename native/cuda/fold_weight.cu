// The deployed form of a convolution's weights and its gradient: the formulas of
// cpu/quantize_weight.cc. A block takes a channel, finds its largest magnitude (an integer maximum,
// exact in any order) and writes its codes. Per tensor, blocks first leave the maxima of their
// channels in the workspace; one block combines them.
#include "cuda/device/reduce.h"
#include "cuda/kernels.h"
#include "math/batch_norm.h"

namespace qt::cuda {
namespace {

struct Channel {
  float signed_gain, sign;
  double bias;
};

__device__ inline Channel ChannelOf(const qt_fold_weight_args& a, int64_t c) {
  const double conv_bias = a.conv_bias == nullptr ? 0.0 : a.conv_bias[c];
  if (a.gamma == nullptr) return {1.0f, 1.0f, conv_bias};
  const float gain = a.gamma[c] * math::InverseStd(a.var[c], a.epsilon);
  return {gain, math::Sign(a.gamma[c]),
          math::FoldBias(a.beta[c], conv_bias - static_cast<double>(a.mean[c]), gain)};
}

template <class T>
struct MaxReducer {
  using Total = T;
  __device__ T Combine(T x, T y) const { return y > x ? y : x; }
};

struct SumReducer {
  using Total = double;
  __device__ double Combine(double x, double y) const { return x + y; }
};

// Largest magnitude of n weights; every thread of the block calls it and gets it.
__device__ inline float AbsMax(const float* w, int64_t n, int32_t* totals) {
  const int thread = static_cast<int>(threadIdx.x);
  int32_t most = 0;
  for (int64_t i = thread; i < n; i += kThreads) {
    const int32_t bits = math::MagnitudeBits(w[i]);
    most = bits > most ? bits : most;
  }
  __syncthreads();  // the totals before have been read
  totals[thread] = most;
  CombineCopies(MaxReducer<int32_t>(), totals, 1, kThreads);
  return math::BitsFloat(static_cast<uint32_t>(totals[0]));
}

__device__ inline void WriteCodes(const qt_fold_weight_args& a, int64_t c, float factor,
                                  float scale) {
  const float least = static_cast<float>(a.qmin), most = static_cast<float>(a.qmax);
  for (int64_t i = c * a.inner + threadIdx.x; i < (c + 1) * a.inner; i += kThreads) {
    const float code = math::Quantize(a.w[i] * factor, scale, 0.0f, least, most);
    a.codes[i] = static_cast<int8_t>(static_cast<int32_t>(code));
  }
}

__device__ inline void WriteScales(const qt_fold_weight_args& a, int64_t c, double bias,
                                   float w_scale) {
  if (threadIdx.x != 0) return;
  const float out_scale = *a.x_scale * w_scale;
  a.w_scale[c] = w_scale;
  a.out_scale[c] = out_scale;
  a.bias[c] = math::QuantizeBias(bias, out_scale);
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) FoldChannelsKernel(qt_fold_weight_args a) {
  __shared__ int32_t totals[kThreads];
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const Channel channel = ChannelOf(a, c);
    const float gain = fabsf(channel.signed_gain);
    const float scale = a.learned_scale == nullptr
                            ? math::WeightScale(AbsMax(a.w + c * a.inner, a.inner, totals), a.qmax)
                            : a.learned_scale[c];
    const float least = math::LeastFoldScale(*a.x_scale, channel.bias);
    const bool raised = scale * gain < least;
    const float w_scale = raised ? least : scale * gain;
    WriteCodes(a, c, raised ? channel.sign * gain : channel.sign, raised ? w_scale : scale);
    WriteScales(a, c, channel.bias, w_scale);
  }
}

// Of a tensor: the largest |w * gain| and the largest of the least scales.
struct Largest {
  float absmax, least;
};

struct LargestReducer {
  using Total = Largest;
  __device__ Largest Combine(const Largest& x, const Largest& y) const {
    return {y.absmax > x.absmax ? y.absmax : x.absmax, y.least > x.least ? y.least : x.least};
  }
};

// found has `count` places, whatever the grid is.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    LargestKernel(qt_fold_weight_args a, Largest* found, int count) {
  __shared__ int32_t totals[kThreads];
  Largest largest = {0.0f, math::kFloatMin};
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const Channel channel = ChannelOf(a, c);
    const float absmax = AbsMax(a.w + c * a.inner, a.inner, totals) * fabsf(channel.signed_gain);
    const Largest here = {absmax, math::LeastFoldScale(*a.x_scale, channel.bias)};
    largest = LargestReducer().Combine(largest, here);
  }
  if (threadIdx.x != 0) return;
  for (int i = static_cast<int>(blockIdx.x); i < count; i += static_cast<int>(gridDim.x)) {
    found[i] = largest;
  }
}

// Every block combines what the blocks before found: at most kMaxBlocks values.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    FoldTensorKernel(qt_fold_weight_args a, const Largest* found, int count) {
  __shared__ Largest totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  Largest largest = {0.0f, math::kFloatMin};
  for (int i = thread; i < count; i += kThreads) {
    largest = LargestReducer().Combine(largest, found[i]);
  }
  totals[thread] = largest;
  CombineCopies(LargestReducer(), totals, 1, kThreads);
  const float absmax_scale = math::WeightScale(totals[0].absmax, a.qmax);
  const float w_scale = math::Restricted(
      absmax_scale < totals[0].least ? totals[0].least : absmax_scale, a.power_of_two != 0);
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const Channel channel = ChannelOf(a, c);
    WriteCodes(a, c, channel.signed_gain, w_scale);
    WriteScales(a, c, channel.bias, w_scale);
  }
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) FoldBackwardKernel(qt_fold_weight_backward_args a) {
  __shared__ int32_t largest[kThreads];
  __shared__ double totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const float least = static_cast<float>(a.qmin), most = static_cast<float>(a.qmax);
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const int64_t begin = c * a.inner, end = begin + a.inner;
    const float inv_std = a.gamma == nullptr ? 1.0f : math::InverseStd(a.var[c], a.epsilon);
    const float gain = a.gamma == nullptr ? 1.0f : a.gamma[c] * inv_std;
    if (a.dw != nullptr) {
      for (int64_t i = begin + thread; i < end; i += kThreads) a.dw[i] = a.dw_folded[i] * gain;
    }
    if (thread == 0) {
      if (a.dconv_bias != nullptr) a.dconv_bias[c] = a.dbias[c] * gain;
      if (a.dbeta != nullptr) a.dbeta[c] = a.dbias[c];
    }
    if (a.dgamma == nullptr) continue;
    double sum = 0.0;
    if (a.per_tensor != 0) {
      for (int64_t i = begin + thread; i < end; i += kThreads) {
        sum += static_cast<double>(a.dw_folded[i] * a.w[i]);
      }
    } else {
      const float scale = a.learned_scale == nullptr
                              ? math::WeightScale(AbsMax(a.w + begin, a.inner, largest), a.qmax)
                              : a.learned_scale[c];
      const float sign = math::Sign(a.gamma[c]);
      for (int64_t i = begin + thread; i < end; i += kThreads) {
        sum += static_cast<double>(a.dw_folded[i] *
                                   math::UnfoldedWeight(a.w[i], sign, scale, least, most));
      }
    }
    __syncthreads();  // the totals before have been read
    totals[thread] = sum;
    CombineCopies(SumReducer(), totals, 1, kThreads);
    if (thread == 0) {
      const double shift =
          (a.conv_bias == nullptr ? 0.0 : a.conv_bias[c]) - static_cast<double>(a.mean[c]);
      a.dgamma[c] = math::FoldGammaGradient(totals[0], a.dbias[c], shift, inv_std);
    }
  }
}

}  // namespace

cudaError_t fold_weight(const Stream& stream, const qt_fold_weight_args& a) {
  if (a.channels == 0) return cudaSuccess;
  const int64_t count = a.channels < kMaxBlocks ? a.channels : kMaxBlocks;
  const dim3 blocks(static_cast<unsigned>(count));
  if (a.per_tensor == 0) return Launch(stream, blocks, FoldChannelsKernel, a);
  Largest* found = static_cast<Largest*>(stream.workspace);
  const cudaError_t status = Launch(stream, blocks, LargestKernel, a, found,
                                    static_cast<int>(count));
  if (status != cudaSuccess) return status;
  return Launch(stream, blocks, FoldTensorKernel, a, found, static_cast<int>(count));
}

cudaError_t fold_weight_backward(const Stream& stream, const qt_fold_weight_backward_args& a) {
  if (a.channels == 0) return cudaSuccess;
  const int64_t count = a.channels < kMaxBlocks ? a.channels : kMaxBlocks;
  return Launch(stream, dim3(static_cast<unsigned>(count)), FoldBackwardKernel, a);
}

}  // namespace qt::cuda
