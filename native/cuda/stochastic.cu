// Stochastic rounding, the same bits as cpu/stochastic.cc. A thread takes 4 consecutive elements per
// step, which are the 4 words of one counter.
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"
#include "math/philox.h"
#include "math/quantize.h"
#include "math/stochastic.h"

namespace qt::cuda {
namespace {

struct Parameters {
  const float* scale;
  const int32_t* zero_point;
  uint8_t* mask;  // or null
  int64_t n, channels, inner;
  qt_draws draws;
  float qmin, qmax;
};

__device__ inline void Put(float q, float, float, int8_t* out) {
  *out = static_cast<int8_t>(static_cast<int32_t>(q));
}
__device__ inline void Put(float q, float, float, uint8_t* out) {
  *out = static_cast<uint8_t>(static_cast<int32_t>(q));
}
template <class T>
__device__ inline void Put(float q, float scale, float zero_point, T* out) {
  math::Narrow(math::Dequantize(q, scale, zero_point), out);
}

template <class In, class Out>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    RoundKernel(Parameters p, const In* x, Out* out, bool vector) {
  const math::Draws draws = math::DrawsOf(p.draws);
  // Bounds are those of the warp: all its lanes take part in storing the mask.
  for (FlatWalk at(1); at.base < p.n; at.Next(1)) {
    const bool whole = vector && at.i + 4 <= p.n;
    const Four<In> in = LoadFour(x, at.i, p.n, whole);
    const math::PhiloxWords w = math::FourWords(draws, at.i / 4);
    const uint32_t words[4] = {w.a, w.b, w.c, w.d};
    int64_t rest = p.channels > 1 ? at.i % p.inner : 0;
    int64_t channel = p.channels > 1 ? at.i / p.inner % p.channels : 0;
    Four<Out> four;
    unsigned passes = 0;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float scale = p.scale[channel], zero_point = static_cast<float>(p.zero_point[channel]);
      const float level =
          math::StochasticRound(math::Widen(in.v[k]) / scale, math::UnitInterval(words[k])) +
          zero_point;
      if (math::InRange(level, p.qmin, p.qmax)) passes |= 1u << k;
      Put(math::Clamp(level, p.qmin, p.qmax), scale, zero_point, &four.v[k]);
      if (p.channels > 1 && ++rest == p.inner) {
        rest = 0;
        channel = channel + 1 == p.channels ? 0 : channel + 1;
      }
    }
    StoreFour(out, at.i, p.n, whole, four);
    if (p.mask != nullptr) StoreMask(p.mask, at.base, p.n, passes);
  }
}

template <class In, class Out, class Args>
cudaError_t Round(const Stream& stream, const Args& a, void* out) {
  const Parameters p = {a.scale,
                        a.zero_point,
                        a.mask,
                        a.outer * a.channels * a.inner,
                        a.channels,
                        a.inner,
                        a.draws,
                        static_cast<float>(a.qmin),
                        static_cast<float>(a.qmax)};
  if (p.n == 0) return cudaSuccess;
  const In* x = static_cast<const In*>(a.x);
  Out* to = static_cast<Out*>(out);
  return Launch(stream, BlocksFor(p.n), RoundKernel<In, Out>, p, x, to,
                AlignedForFour(x) && AlignedForFour(to));
}

template <class In>
cudaError_t ToCodes(const Stream& stream, const qt_stochastic_quantize_args& a) {
  return a.code_type == QT_U8 ? Round<In, uint8_t>(stream, a, a.codes)
                              : Round<In, int8_t>(stream, a, a.codes);
}

}  // namespace

cudaError_t stochastic_quantize(const Stream& stream, const qt_stochastic_quantize_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? ToCodes<math::Bf16>(stream, a)
                                           : ToCodes<float>(stream, a);
}

cudaError_t stochastic_fake_quant(const Stream& stream, const qt_stochastic_fake_quant_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? Round<math::Bf16, math::Bf16>(stream, a, a.y)
                                           : Round<float, float>(stream, a, a.y);
}

}  // namespace qt::cuda
