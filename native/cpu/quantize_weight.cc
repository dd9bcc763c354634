// Weights to symmetric codes, and the deployed fold with batch norm. Two passes per channel while
// it is in cache: the largest magnitude (an integer maximum of float bits, which vectorizes and
// skips NaN), then the codes.
#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "math/batch_norm.h"

namespace qt::cpu::QT_ISA {
namespace {

inline int32_t LargestBits(const float* w, int64_t n) {
  int32_t most = 0;
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; ++i) {
    const int32_t bits = math::MagnitudeBits(w[i]);
    most = bits > most ? bits : most;
  }
  return most;
}

inline float AbsMax(const float* w, int64_t n) {
  return math::BitsFloat(static_cast<uint32_t>(LargestBits(w, n)));
}

// codes = clamp(rint((w * factor) / scale)); a factor of +-1 changes no bits but the sign.
inline void Codes(const float* w, int64_t n, float factor, float scale, int32_t qmin, int32_t qmax,
                  int8_t* codes) {
  const float least = static_cast<float>(qmin), most = static_cast<float>(qmax);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float code = math::Quantize(w[i] * factor, scale, 0.0f, least, most);
    codes[i] = static_cast<int8_t>(static_cast<int32_t>(code));
  }
}

constexpr int64_t kChunk = 1024;

// The same for outputs too large for the caches.
inline void StreamCodes(const float* w, int64_t n, float factor, float scale, int32_t qmin,
                        int32_t qmax, int8_t* codes) {
  ChunkOut<int8_t, kChunk> chunks(/*stream=*/true);
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t count = Min(n - i, kChunk);
    Codes(w + i, count, factor, scale, qmin, qmax, chunks.At(codes + i));
    chunks.Done(codes + i, count);
  }
}

// One scale for everything: the maximum over blocks is exact in any order.
qt_status QuantizeTensor(qt_context& ctx, const qt_quantize_weight_args& a) {
  const float* w = a.w;
  int8_t* codes = a.codes;
  const int64_t n = a.inner, blocks = DivUp(n, kBlock);
  int32_t* const partial = ScratchArray<int32_t>(ctx, blocks + 1);
  if (partial == nullptr) return QT_OUT_OF_MEMORY;
  partial[0] = 0;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    partial[block] = LargestBits(w + begin, end - begin);
  });
  int32_t most = 0;
  for (int64_t b = 0; b < blocks; ++b) most = partial[b] > most ? partial[b] : most;
  const float scale = math::WeightScale(math::BitsFloat(static_cast<uint32_t>(most)), a.qmax);
  const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[0]);
  *a.scale = scale;
  const int32_t qmin = a.qmin, qmax = a.qmax;
  const auto write = Streams(5 * n) ? StreamCodes : Codes;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    write(w + begin, end - begin, sign, scale, qmin, qmax, codes + begin);
  });
  return QT_OK;
}

// gamma / sigma, or 1 without batch norm.
template <class Args>
inline float SignedGain(const Args& a, int64_t c) {
  return a.gamma == nullptr ? 1.0f : a.gamma[c] * math::InverseStd(a.var[c], a.epsilon);
}

// The scale of channel c before batch norm.
template <class Args>
inline float UnfoldedScale(const Args& a, int64_t c) {
  return a.learned_scale == nullptr ? math::WeightScale(AbsMax(a.w + c * a.inner, a.inner), a.qmax)
                                    : a.learned_scale[c];
}

inline double DeployedBias(const qt_fold_weight_args& a, int64_t c, float signed_gain) {
  const double conv_bias = a.conv_bias == nullptr ? 0.0 : a.conv_bias[c];
  if (a.gamma == nullptr) return conv_bias;
  return math::FoldBias(a.beta[c], conv_bias - static_cast<double>(a.mean[c]), signed_gain);
}

qt_status FoldChannels(qt_context& ctx, const qt_fold_weight_args& args) {
  const qt_fold_weight_args a = args;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* w = a.w + c * a.inner;
      int8_t* codes = a.codes + c * a.inner;
      const float signed_gain = SignedGain(a, c), gain = fabsf(signed_gain);
      const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[c]);
      const double bias = DeployedBias(a, c, signed_gain);
      const float scale = UnfoldedScale(a, c);
      const float least = math::LeastFoldScale(*a.x_scale, bias);
      float w_scale = scale * gain;
      if (w_scale < least) {
        w_scale = least;
        Codes(w, a.inner, sign * gain, w_scale, a.qmin, a.qmax, codes);
      } else {
        Codes(w, a.inner, sign, scale, a.qmin, a.qmax, codes);
      }
      a.w_scale[c] = w_scale;
      a.out_scale[c] = *a.x_scale * w_scale;
      a.bias[c] = math::QuantizeBias(bias, a.out_scale[c]);
    }
  });
  return QT_OK;
}

qt_status FoldTensor(qt_context& ctx, const qt_fold_weight_args& args) {
  const qt_fold_weight_args a = args;
  // Per channel: largest |w * gain| (rounding is monotone, so it is the rounded largest |w| *
  // gain), least scale.
  float* const scratch = ScratchArray<float>(ctx, 2 * a.channels);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float signed_gain = SignedGain(a, c);
      scratch[2 * c] = AbsMax(a.w + c * a.inner, a.inner) * fabsf(signed_gain);
      scratch[2 * c + 1] = math::LeastFoldScale(*a.x_scale, DeployedBias(a, c, signed_gain));
    }
  });
  float absmax = 0.0f, least = math::kFloatMin;
  for (int64_t c = 0; c < a.channels; ++c) {
    absmax = scratch[2 * c] > absmax ? scratch[2 * c] : absmax;
    least = scratch[2 * c + 1] > least ? scratch[2 * c + 1] : least;
  }
  float w_scale = math::WeightScale(absmax, a.qmax);
  w_scale = w_scale < least ? least : w_scale;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float signed_gain = SignedGain(a, c);
      Codes(a.w + c * a.inner, a.inner, signed_gain, w_scale, a.qmin, a.qmax,
            a.codes + c * a.inner);
      a.w_scale[c] = w_scale;
      a.out_scale[c] = *a.x_scale * w_scale;
      a.bias[c] = math::QuantizeBias(DeployedBias(a, c, signed_gain), a.out_scale[c]);
    }
  });
  return QT_OK;
}

}  // namespace

qt_status quantize_weight(qt_context& ctx, const qt_quantize_weight_args& args) {
  if (args.channels == 1) return QuantizeTensor(ctx, args);
  const qt_quantize_weight_args a = args;
  const auto write = Streams(5 * a.channels * a.inner) ? StreamCodes : Codes;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* w = a.w + c * a.inner;
      const float scale = math::WeightScale(AbsMax(w, a.inner), a.qmax);
      const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[c]);
      write(w, a.inner, sign, scale, a.qmin, a.qmax, a.codes + c * a.inner);
      a.scale[c] = scale;
    }
  });
  return QT_OK;
}

qt_status quantize_weight_backward(qt_context& ctx, const qt_quantize_weight_backward_args& args) {
  const qt_quantize_weight_backward_args a = args;
  const bool stream = Streams(8 * a.channels * a.inner) && a.dw != a.dwq;
  const int64_t channels = a.inner == 0 ? 0 : a.channels;
  ParallelParts(ctx, channels, a.inner, [=](int64_t c, int64_t begin, int64_t n) {
    const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[c]);
    ChunkOut<float, kChunk> chunks(stream);
    for (int64_t k = 0; k < n; k += kChunk) {
      const int64_t at = c * a.inner + begin + k, count = Min(n - k, kChunk);
      const float* in = a.dwq + at;
      float* to = chunks.At(a.dw + at);
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) to[i] = math::Signed(sign, in[i]);
      chunks.Done(a.dw + at, count);
    }
  });
  return QT_OK;
}

qt_status fold_weight(qt_context& ctx, const qt_fold_weight_args& a) {
  return a.per_tensor != 0 ? FoldTensor(ctx, a) : FoldChannels(ctx, a);
}

qt_status fold_weight_backward(qt_context& ctx, const qt_fold_weight_backward_args& args) {
  const qt_fold_weight_backward_args a = args;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* w = a.w + c * a.inner;
      const float* dwf = a.dw_folded + c * a.inner;
      const float gain = SignedGain(a, c);
      if (a.dw != nullptr) {
        float* dw = a.dw + c * a.inner;
#pragma omp simd
        for (int64_t i = 0; i < a.inner; ++i) dw[i] = dwf[i] * gain;
      }
      if (a.dconv_bias != nullptr) a.dconv_bias[c] = a.dbias[c] * gain;
      if (a.dbeta != nullptr) a.dbeta[c] = a.dbias[c];
      if (a.dgamma == nullptr) continue;
      double sum = 0.0;
      if (a.per_tensor != 0) {
        sum = SumFixed(a.inner, [=](int64_t i) { return dwf[i] * w[i]; });
      } else {
        const float scale = UnfoldedScale(a, c);
        const float least = static_cast<float>(a.qmin), most = static_cast<float>(a.qmax);
        const float sign = math::Sign(a.gamma[c]);
        sum = SumFixed(a.inner, [=](int64_t i) {
          return dwf[i] * math::UnfoldedWeight(w[i], sign, scale, least, most);
        });
      }
      const double shift =
          (a.conv_bias == nullptr ? 0.0 : a.conv_bias[c]) - static_cast<double>(a.mean[c]);
      a.dgamma[c] = math::FoldGammaGradient(sum, a.dbias[c], shift,
                                            math::InverseStd(a.var[c], a.epsilon));
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
