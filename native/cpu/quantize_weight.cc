// Weights to symmetric codes, and the deployed fold with batch norm. Two passes per channel while
// it is in cache: the largest magnitude, then the codes.
#include "cpu/kernel.h"
#include "cpu/runs.h"
#include "cpu/stream.h"
#include "cpu/vector.h"
#include "math/batch_norm.h"

namespace qt::cpu::QT_ISA {
namespace {

// The largest magnitude; a NaN has none. Two streams are read faster than one.
inline float AbsMax(const float* w, int64_t n) {
#if QT_VECTORS
  constexpr int64_t kSize = Vector::kSize;
  if (n >= kSize) {
    Vector a(0.0f), b(0.0f), c(0.0f), d(0.0f);
    const int64_t half = n / (4 * kSize) * (2 * kSize);
    for (const float *p = w, *q = w + half; p < w + half; p += 2 * kSize, q += 2 * kSize) {
      a = Larger(Magnitude(LoadVector(p)), a);
      b = Larger(Magnitude(LoadVector(p + kSize)), b);
      c = Larger(Magnitude(LoadVector(q)), c);
      d = Larger(Magnitude(LoadVector(q + kSize)), d);
    }
    for (int64_t i = 2 * half; i + kSize <= n; i += kSize) {
      a = Larger(Magnitude(LoadVector(w + i)), a);
    }
    b = Larger(Magnitude(LoadVector(w + n - kSize)), b);  // some of them again
    return LargestLane(Larger(Larger(a, b), Larger(c, d)));
  }
#endif
  int32_t most = 0;
#pragma omp simd reduction(max : most)
  for (int64_t i = 0; i < n; ++i) {
    const int32_t bits = math::MagnitudeBits(w[i]);
    most = bits > most ? bits : most;
  }
  return math::BitsFloat(static_cast<uint32_t>(most));
}

struct CodeRange {
  float least, most;
};

// codes = clamp(rint((w * factor) / scale)); a factor of +-1 changes no bits but the sign.
template <bool kStream, class Scale>
void Codes(const float* w, int64_t n, float factor, Scale scale, CodeRange range, int8_t* codes) {
  const auto one_by_one = [=](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float code =
          math::Quantize(w[i] * factor, scale[i], 0.0f, range.least, range.most);
      codes[i] = static_cast<int8_t>(static_cast<int32_t>(code));
    }
  };
#if QT_VECTORS
  constexpr int64_t kSize = Vector::kSize, kStep = 4 * kSize;
  const auto step = [=](int64_t i, Vector (&code)[4]) {
    FetchAhead<4>(w + i);
    for (int k = 0; k < 4; ++k) {
      const int64_t at = i + k * kSize;
      code[k] = math::Quantize(LoadVector(w + at) * Vector(factor), scale.template At<Vector>(at),
                               Vector(0.0f), Vector(range.least), Vector(range.most));
    }
  };
  if (n >= kStep) {
    Vector code[4];
    int64_t i = 0;
    if (kStream) {  // up to where registers are whole
      const uintptr_t address = reinterpret_cast<uintptr_t>(codes);
      i = static_cast<int64_t>(-address & static_cast<uintptr_t>(kStep - 1));
      step(0, code);
      if (i > 0) StoreVectors<false>(code, codes);
    }
    for (; i + kStep <= n; i += kStep) {
      step(i, code);
      StoreVectors<kStream>(code, codes + i);
    }
    if (i < n) {  // some of them again
      step(n - kStep, code);
      StoreVectors<false>(code, codes + n - kStep);
    }
    return;
  }
#endif
  one_by_one(0, n);
}

template <class Args>
inline CodeRange RangeOf(const Args& a) {
  return {static_cast<float>(a.qmin), static_cast<float>(a.qmax)};
}

inline void CodesOfChannel(const float* w, int64_t n, float factor, float scale, CodeRange range,
                           bool stream, int8_t* codes) {
  if (stream) {
    Codes<true>(w, n, factor, Same{scale}, range, codes);
  } else {
    Codes<false>(w, n, factor, Same{scale}, range, codes);
  }
}

inline float ScaleOf(const qt_quantize_weight_args& a, float absmax) {
  return math::Restricted(math::WeightScale(absmax, a.qmax), a.power_of_two != 0);
}

// One scale for everything: the maximum over blocks is exact in any order.
qt_status QuantizeTensor(qt_context& ctx, const qt_quantize_weight_args& a) {
  const float* w = a.w;
  int8_t* codes = a.codes;
  // A part per thread to find the largest, blocks for the codes.
  const int64_t n = a.inner, blocks = DivUp(n, kBlock);
  const int64_t part = Max(1, DivUp(blocks, ctx.threads)) * kBlock, parts = DivUp(n, part);
  float* const partial = ScratchArray<float>(ctx, parts + 1);
  if (partial == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, n, part, [=](int64_t p, int64_t begin, int64_t end) {
    partial[p] = AbsMax(w + begin, end - begin);
  });
  float most = 0.0f;
  for (int64_t b = 0; b < parts; ++b) most = math::Larger(partial[b], most);
  const float scale = ScaleOf(a, most);
  const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[0]);
  *a.scale = scale;
  const CodeRange range = RangeOf(a);
  const bool stream = Streams(5 * n);
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    CodesOfChannel(w + begin, end - begin, sign, scale, range, stream, codes + begin);
  });
  return QT_OK;
}

// Channels of a few elements: as many as a chunk holds at a time, with a scale per element, which
// has the sign of gamma (w * -1 / scale and w / -scale are the same).
qt_status QuantizeShortChannels(qt_context& ctx, const qt_quantize_weight_args& args) {
  const qt_quantize_weight_args a = args;
  const int64_t inner = a.inner, per_chunk = kChunk / inner;
  const CodeRange range = RangeOf(a);
  const bool stream = Streams(5 * a.channels * inner);
  ParallelBlocks(ctx, a.channels, 16 * per_chunk, [=](int64_t, int64_t first, int64_t last) {
    float scales[kChunk];
    ChunkOut<int8_t, kChunk> chunks(stream);
    for (int64_t c = first; c < last; c += per_chunk) {
      const int64_t stop = Min(last, c + per_chunk), count = (stop - c) * inner;
      const float* const w = a.w + c * inner;
      float* to = scales;
      for (int64_t k = c; k < stop; ++k, to += inner) {
        const float scale = ScaleOf(a, AbsMax(a.w + k * inner, inner));
        const float step = a.gamma == nullptr ? scale : math::Sign(a.gamma[k]) * scale;
        a.scale[k] = scale;
        for (int64_t i = 0; i < inner; ++i) to[i] = step;
      }
      Codes<false>(w, count, 1.0f, Each{scales}, range, chunks.At(a.codes + c * inner));
      chunks.Done(a.codes + c * inner, count);
    }
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
  const bool stream = Streams(5 * a.channels * a.inner) && a.inner >= kChunk;
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
        CodesOfChannel(w, a.inner, sign * gain, w_scale, RangeOf(a), stream, codes);
      } else {
        CodesOfChannel(w, a.inner, sign, scale, RangeOf(a), stream, codes);
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
  w_scale = math::Restricted(w_scale < least ? least : w_scale, a.power_of_two != 0);
  const bool stream = Streams(5 * a.channels * a.inner) && a.inner >= kChunk;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float signed_gain = SignedGain(a, c);
      CodesOfChannel(a.w + c * a.inner, a.inner, signed_gain, w_scale, RangeOf(a), stream,
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
  if (args.inner > 0 && args.inner <= 512) return QuantizeShortChannels(ctx, args);
  const qt_quantize_weight_args a = args;
  const bool stream = Streams(5 * a.channels * a.inner) && a.inner >= kChunk;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* w = a.w + c * a.inner;
      const float scale = ScaleOf(a, AbsMax(w, a.inner));
      const float sign = a.gamma == nullptr ? 1.0f : math::Sign(a.gamma[c]);
      CodesOfChannel(w, a.inner, sign, scale, RangeOf(a), stream, a.codes + c * a.inner);
      a.scale[c] = scale;
    }
  });
  return QT_OK;
}

qt_status quantize_weight_backward(qt_context& ctx, const qt_quantize_weight_backward_args& args) {
  qt_quantize_weight_backward_args a = args;
  if (a.gamma == nullptr) {  // no signs: one channel
    a.inner *= a.channels;
    a.channels = 1;
  }
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
  const bool stream = Streams(12 * a.channels * a.inner) && a.inner >= kChunk;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float* w = a.w + c * a.inner;
      const float* dwf = a.dw_folded + c * a.inner;
      const float gain = SignedGain(a, c);
      if (a.dconv_bias != nullptr) a.dconv_bias[c] = a.dbias[c] * gain;
      if (a.dbeta != nullptr) a.dbeta[c] = a.dbias[c];
      const bool sums = a.dgamma != nullptr, one_scale = a.per_tensor != 0;
      const float scale = sums && !one_scale ? UnfoldedScale(a, c) : 1.0f;
      const float sign = sums && !one_scale ? math::Sign(a.gamma[c]) : 1.0f;
      const float least = static_cast<float>(a.qmin), most = static_cast<float>(a.qmax);
      FixedSum sum;
      ChunkOut<float, kChunk> chunks(stream);
      for (int64_t i = 0; i < a.inner; i += kChunk) {
        const int64_t count = Min(a.inner - i, kChunk);
        const float* const d = dwf + i;
        const float* const v = w + i;
        if (sums && one_scale) sum.Add(count, [=](int64_t k) { return d[k] * v[k]; });
        if (sums && !one_scale) {
          sum.Add(count, [=](int64_t k) {
            return d[k] * math::UnfoldedWeight(v[k], sign, scale, least, most);
          });
        }
        if (a.dw == nullptr) continue;
        float* const dw = chunks.At(a.dw + c * a.inner + i);
#pragma omp simd
        for (int64_t k = 0; k < count; ++k) dw[k] = d[k] * gain;
        chunks.Done(a.dw + c * a.inner + i, count);
      }
      if (!sums) continue;
      const double shift =
          (a.conv_bias == nullptr ? 0.0 : a.conv_bias[c]) - static_cast<double>(a.mean[c]);
      a.dgamma[c] = math::FoldGammaGradient(sum.Total(), a.dbias[c], shift,
                                            math::InverseStd(a.var[c], a.epsilon));
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
