// fixed_multiplier and requantize_fixed, the same bits as cpu/requantize_fixed.cc.
//
// Parallel mapping: a thread takes 8 consecutive accumulators, two accesses of 16 bytes and one byte
// of the mask, and strides over the tensor by the grid. Its first channel moves in fixed steps, so
// it divides once.
#include "cuda/launch.h"
#include "math/fixed_point.h"

namespace qt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, kMinBlocks) FixedMultiplierKernel(qt_fixed_multiplier_args a) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t c = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; c < a.channels; c += stride) {
    const math::FixedMultiplier k =
        math::MultiplierOf(*a.x_scale, a.w_scale[c], *a.y_scale, a.form);
    a.multiplier[c] = k.m;
    a.shift[c] = k.shift;
  }
}

// Accumulators per thread and step.
constexpr int kItems = 8;

template <class Contract>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    RequantizeFixedKernel(qt_requantize_fixed_args a, bool vector_acc, bool vector_codes) {
  const int64_t n = a.rows * a.channels;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kItems;
  const math::FixedLimits limits =
      math::MakeFixedLimits(a.qmin, a.qmax, *a.zero_point, a.relu != 0);
  uint8_t* codes = static_cast<uint8_t*>(a.codes);
  int64_t first = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kItems;
  int64_t first_channel = first % a.channels;
  const int64_t step = stride % a.channels;
  for (; first < n; first += stride) {
    const bool whole = first + kItems <= n;
    int32_t v[kItems];
    if (vector_acc && whole) {
      const int4 low = *reinterpret_cast<const int4*>(a.acc + first);
      const int4 high = *reinterpret_cast<const int4*>(a.acc + first + 4);
      v[0] = low.x;
      v[1] = low.y;
      v[2] = low.z;
      v[3] = low.w;
      v[4] = high.x;
      v[5] = high.y;
      v[6] = high.z;
      v[7] = high.w;
    } else {
#pragma unroll
      for (int k = 0; k < kItems; ++k) v[k] = first + k < n ? a.acc[first + k] : 0;
    }
    uint64_t word = 0;
    uint32_t bits = 0;
    int64_t c = first_channel;
#pragma unroll
    for (int k = 0; k < kItems; ++k) {
      const int32_t bias = a.bias == nullptr ? 0 : a.bias[c];
      const int32_t multiplier = a.multiplier == nullptr ? 0 : a.multiplier[c];
      // Values of device memory are not checked before the call.
      const int32_t shift = math::ClampInt(a.shift[c], -31, 30);
      const int32_t scaled = Contract::Scale(math::AddInt(v[k], bias), multiplier, shift);
      const uint32_t code = static_cast<uint32_t>(math::FixedCode(scaled, limits)) & 255u;
      word |= static_cast<uint64_t>(code) << 8 * k;
      bits |= (first + k < n && math::FixedPasses(scaled, limits) ? 1u : 0u) << k;
      c = c + 1 == a.channels ? 0 : c + 1;
    }
    if (vector_codes && whole) {
      *reinterpret_cast<uint64_t*>(codes + first) = word;
    } else {
#pragma unroll
      for (int k = 0; k < kItems; ++k) {
        if (first + k < n) codes[first + k] = static_cast<uint8_t>(word >> 8 * k);
      }
    }
    if (a.mask != nullptr) a.mask[first / 8] = static_cast<uint8_t>(bits);
    first_channel += step;
    if (first_channel >= a.channels) first_channel -= a.channels;
  }
}

template <class Contract>
cudaError_t Requantize(const Stream& stream, const qt_requantize_fixed_args& a) {
  const int64_t n = a.rows * a.channels;
  return Launch(stream, BlocksFor((n + 1) / 2), RequantizeFixedKernel<Contract>, a,
                Aligned16(a.acc, a.acc), Aligned16(a.codes, a.codes));
}

}  // namespace

cudaError_t fixed_multiplier(const Stream& stream, const qt_fixed_multiplier_args& a) {
  if (a.channels == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(a.channels), FixedMultiplierKernel, a);
}

cudaError_t requantize_fixed(const Stream& stream, const qt_requantize_fixed_args& a) {
  if (a.rows * a.channels == 0) return cudaSuccess;
  switch (a.contract) {
    case QT_FIXED_DOUBLE:
      return Requantize<math::FixedDouble>(stream, a);
    case QT_FIXED_SINGLE:
      return Requantize<math::FixedSingle>(stream, a);
    case QT_FIXED_RUY:
      return Requantize<math::FixedRuy>(stream, a);
    case QT_POWER_OF_TWO_EVEN:
      return Requantize<math::PowerOfTwoEven>(stream, a);
    case QT_POWER_OF_TWO_AWAY:
      return Requantize<math::PowerOfTwoAway>(stream, a);
    default:
      return Requantize<math::PowerOfTwoUp>(stream, a);
  }
}

}  // namespace qt::cuda
