// Learned step size: LSQ, and LSQ+ with an integer zero-point or a real offset. Mapping:
// device/learned.h; qparams: one thread per channel.
#include "cuda/device/learned.h"
#include "cuda/kernels.h"
#include "math/requantize.h"

namespace qt::cuda {
namespace {

struct LsqQparams {
  qt_lsq_qparams_args a;
  __device__ void operator()(int64_t c) const { math::LsqQparams(a, c); }
};

// What accumulators stand for.
struct RealOfAcc {
  const int32_t* acc;
  const int32_t* bias;  // or null
  const int32_t* keep;  // or null
  const float* out_scale;
  int64_t channels;

  __device__ float Of(int32_t sum, int64_t c) const {
    return math::DequantizeAcc(math::AddBias(sum, keep == nullptr ? 1 : keep[c],
                                             bias == nullptr ? 0 : bias[c]),
                               out_scale[c]);
  }
  __device__ float operator()(int64_t i) const { return Of(acc[i], i % channels); }
  __device__ Four<float> FourAt(int64_t i) const {
    const auto sums = LoadPack<4>(acc + i);
    int64_t c = i % channels;
    Four<float> x;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      x.v[k] = Of(sums.v[k], c);
      c = c + 1 == channels ? 0 : c + 1;
    }
    return x;
  }
};

// What codes stand for: a, or the sum of a and b.
template <class Code>
struct RealOfCodes {
  const Code* a;
  const Code* b;  // or null
  const float* a_scale;
  const int32_t* a_zero_point;
  const float* b_scale;
  const int32_t* b_zero_point;

  __device__ float operator()(int64_t i) const {
    const float y = math::Dequantize(math::Widen(a[i]), *a_scale, static_cast<float>(*a_zero_point));
    if (b == nullptr) return y;
    return y + math::Dequantize(math::Widen(b[i]), *b_scale, static_cast<float>(*b_zero_point));
  }
  __device__ Four<float> FourAt(int64_t i) const {
    const float scale = *a_scale, zero_point = static_cast<float>(*a_zero_point);
    const auto codes = LoadPack<4>(a + i);
    Four<float> x;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      x.v[k] = math::Dequantize(math::Widen(codes.v[k]), scale, zero_point);
    }
    if (b == nullptr) return x;
    const float other = *b_scale, other_zero_point = static_cast<float>(*b_zero_point);
    const auto addends = LoadPack<4>(b + i);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      x.v[k] += math::Dequantize(math::Widen(addends.v[k]), other, other_zero_point);
    }
    return x;
  }
};

template <class Lsq, class Op>
cudaError_t OfComputed(const Stream& stream, const Lsq& lsq, const float* dy, float* dx, int64_t n,
                       const Op& op, bool four) {
  using Reducer = LearnedReducer<Lsq>;
  using Total = typename Reducer::Total;
  const LearnedTask<Lsq, float, Computed<Op>> task = {
      {lsq}, {op}, dy, dx, ShapeOf(1, 1, n, sizeof(Total)),
      four && AlignedForFour(dy) && AlignedForFour(dx)};
  const cudaError_t status =
      Launch(stream, BlocksOf(task.shape), LearnedPlanesKernel<Lsq, float, Computed<Op>>, task,
             static_cast<Total*>(stream.workspace));
  return status != cudaSuccess ? status : CombineParts(stream, task.reducer, task.shape);
}

// four: whether what op reads of 4 elements is one access.
template <class Args, class Op>
cudaError_t OfIntegers(const Stream& stream, const Args& a, int64_t n, const Op& op, bool four) {
  const qt_lsq_backward_args lsq = math::LsqOf(a, n);
  return a.relu != 0
             ? OfComputed(stream, math::LsqOfRelu{lsq, a.upper}, a.dy, a.dx, n, op, four)
             : OfComputed(stream, lsq, a.dy, a.dx, n, op, four);
}

template <class Code>
cudaError_t OfCodes(const Stream& stream, const qt_lsq_add_backward_args& a) {
  const RealOfCodes<Code> op = {static_cast<const Code*>(a.a), static_cast<const Code*>(a.b),
                                a.a_scale, a.a_zero_point, a.b_scale, a.b_zero_point};
  return OfIntegers(stream, a, a.n, op, AlignedForFour(op.a) && AlignedForFour(op.b));
}

}  // namespace

cudaError_t lsq_qparams(const Stream& stream, const qt_lsq_qparams_args& args) {
  return ForChannels(stream, LsqQparams{args}, args.channels);
}

cudaError_t lsq_backward(const Stream& stream, const qt_lsq_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

cudaError_t lsq_acc_backward(const Stream& stream, const qt_lsq_acc_backward_args& a) {
  const RealOfAcc op = {a.acc, a.bias, a.keep, a.out_scale, a.channels};
  return OfIntegers(stream, a, a.rows * a.channels, op, AlignedForFour(a.acc));
}

cudaError_t lsq_add_backward(const Stream& stream, const qt_lsq_add_backward_args& a) {
  return a.code_type == QT_U8 ? OfCodes<uint8_t>(stream, a) : OfCodes<int8_t>(stream, a);
}

cudaError_t lsq_plus(const Stream& stream, const qt_lsq_plus_args& args) {
  return LearnedKernel(stream, args, nullptr, args.y);
}

cudaError_t lsq_plus_backward(const Stream& stream, const qt_lsq_plus_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

}  // namespace qt::cuda
