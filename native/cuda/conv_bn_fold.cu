// The two-convolution fold with correction: the formulas of cpu/conv_bn_fold.cc. Weights: a block
// per channel; activations: one pass that writes the gradient and sums (device/reduce.h).
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/batch_norm.h"
#include "math/requantize.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, kMinBlocks) FoldKernel(qt_conv_bn_fold_args a) {
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const float gain = a.gamma[c] * math::InverseStd(a.running_var[c], a.epsilon);
    for (int64_t i = c * a.inner + threadIdx.x; i < (c + 1) * a.inner; i += kThreads) {
      a.w_folded[i] = a.w[i] * gain;
    }
  }
}

struct SumReducer {
  using Total = double;
  __device__ double Combine(double x, double y) const { return x + y; }
};

__global__ void __launch_bounds__(kThreads, kMinBlocks) FoldBackwardKernel(qt_conv_bn_fold_backward_args a) {
  __shared__ double totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const float inv_std = math::InverseStd(a.running_var[c], a.epsilon),
                gain = a.gamma[c] * inv_std;
    double sum = 0.0;
    for (int64_t i = c * a.inner + thread; i < (c + 1) * a.inner; i += kThreads) {
      const float d = a.dw_folded[i];
      sum += static_cast<double>(d * a.w[i]);
      a.dw[i] = d * gain;
    }
    __syncthreads();  // the totals before have been read
    totals[thread] = sum;
    CombineCopies(SumReducer(), totals, 1, kThreads);
    if (thread == 0) a.dgamma[c] += static_cast<float>(totals[0] * static_cast<double>(inv_std));
  }
}

struct Statistics {
  qt_conv_bn_statistics_args a;
  __device__ void operator()(int64_t c) const {
    a.fold_var[c] = math::UpdateFoldStatistics(
        a.batch_mean[c], a.batch_var[c], a.conv_bias == nullptr ? 0.0f : a.conv_bias[c],
        static_cast<float>(a.rows), a.momentum, a.order == QT_STATISTICS_UPDATED,
        a.running_mean + c, a.running_var + c);
  }
};

struct Correct {
  qt_conv_bn_correct_args a;
  __device__ void operator()(int64_t c) const {
    const double conv_bias = a.conv_bias == nullptr ? 0.0 : a.conv_bias[c];
    math::CorrectFold(*a.x_scale, *a.w_scale, a.gamma[c], a.beta[c], a.batch_mean[c] - conv_bias,
                      a.batch_var[c], a.running_var[c], a.epsilon, a.out_scale + c, a.bias + c);
  }
};

// The ratio of deviations, kept in dsigma until the sums are there: a square root per channel and
// not per element.
struct KeepRatio {
  qt_conv_bn_correct_backward_args a;
  __device__ void operator()(int64_t c) const {
    a.dsigma[c] = math::StandardDeviation(a.running_var[c], a.epsilon) /
                  math::StandardDeviation(a.batch_var[c], a.epsilon);
  }
};

template <class Real>
struct CorrectGradient {
  struct Total {
    float d, d_o;
  };
  qt_conv_bn_correct_backward_args a;

  __device__ Total Zero() const { return {0.0f, 0.0f}; }
  __device__ void Add(Total* t, int64_t i, int64_t c) const {
    const float d = MaskBit(a.mask, i) ? math::Widen(static_cast<const Real*>(a.dy)[i]) : 0.0f;
    t->d += d;
    t->d_o += d * math::DequantizeAcc(a.acc[i], *a.x_scale * *a.w_scale);
    math::Narrow(d * a.dsigma[c], static_cast<Real*>(a.d_out) + i);
  }
  __device__ Total Combine(const Total& x, const Total& y) const {
    return {x.d + y.d, x.d_o + y.d_o};
  }
  __device__ void Store(int64_t c, const Total& t) const {
    const float conv_bias = a.conv_bias == nullptr ? 0.0f : a.conv_bias[c];
    const math::CorrectionGradient g = math::GradientOfCorrection(
        t.d, t.d_o, a.gamma[c], a.batch_mean[c] - conv_bias,
        math::StandardDeviation(a.batch_var[c], a.epsilon),
        math::StandardDeviation(a.running_var[c], a.epsilon), a.frozen != 0);
    a.dbeta[c] = t.d;
    a.dgamma[c] = g.dgamma;
    a.dmean[c] = g.dmean;
    a.dsigma[c] = g.dsigma;
    if (a.dconv_bias != nullptr) a.dconv_bias[c] = g.dconv_bias;
  }
};

template <class Real>
struct StatsGradient {
  struct Channel {
    float mean, mean_share, std_share;
  };
  qt_batch_norm_stats_backward_args a;

  __device__ Channel Prepare(int64_t c) const {
    const float rows = static_cast<float>(a.rows);
    return {a.mean[c], a.dmean[c] / rows,
            a.dsigma[c] / (math::StandardDeviation(a.var[c], a.epsilon) * rows)};
  }
  __device__ void Apply(const Channel& c, int64_t i) const {
    const float x = math::Widen(static_cast<const Real*>(a.x)[i]);
    math::Narrow(math::StatisticsGradient(x, c.mean, c.mean_share, c.std_share),
                 static_cast<Real*>(a.dx) + i);
  }
};

inline dim3 BlockPerChannel(int64_t channels) {
  return dim3(static_cast<unsigned>(channels < kMaxBlocks ? channels : kMaxBlocks));
}

}  // namespace

cudaError_t conv_bn_statistics(const Stream& stream, const qt_conv_bn_statistics_args& a) {
  return ForChannels(stream, Statistics{a}, a.channels);
}

cudaError_t conv_bn_fold(const Stream& stream, const qt_conv_bn_fold_args& a) {
  if (a.channels == 0) return cudaSuccess;
  return Launch(stream, BlockPerChannel(a.channels), FoldKernel, a);
}

cudaError_t conv_bn_fold_backward(const Stream& stream, const qt_conv_bn_fold_backward_args& a) {
  if (a.channels == 0) return cudaSuccess;
  return Launch(stream, BlockPerChannel(a.channels), FoldBackwardKernel, a);
}

cudaError_t conv_bn_correct(const Stream& stream, const qt_conv_bn_correct_args& a) {
  return ForChannels(stream, Correct{a}, a.channels);
}

cudaError_t conv_bn_correct_backward(const Stream& stream,
                                     const qt_conv_bn_correct_backward_args& a) {
  const cudaError_t status = ForChannels(stream, KeepRatio{a}, a.channels);
  if (status != cudaSuccess) return status;
  return math::WithReal(a.element_type, [&](auto* type) {
    return ReduceChannels(stream, CorrectGradient<math::Pointed<decltype(type)>>{a}, a.rows,
                          a.channels, 1);
  });
}

cudaError_t batch_norm_stats_backward(const Stream& stream,
                                      const qt_batch_norm_stats_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return ForColumns(stream, StatsGradient<math::Pointed<decltype(type)>>{a}, a.rows, a.channels);
  });
}

}  // namespace qt::cuda
