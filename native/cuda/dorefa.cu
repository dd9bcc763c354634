// DoReFa, the same bits as cpu/dorefa.cc. 4 consecutive elements per thread and step; the maximum of
// a row (a channel of weights, a sample of gradients) is a launch of its own before the elements'.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"
#include "math/dorefa.h"
#include "math/philox.h"

namespace qt::cuda {
namespace {

// F: float operator()(float x, float second, int64_t row, int64_t i, int k) const, element i + k.
// Prepare(i) is called before the four elements from i on. second is read where F::kSecond.
template <class F, class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    RowsKernel(F f, const T* x, const T* second, T* y, int64_t n, int64_t inner, bool vector) {
  for (FlatWalk at(1); at.i < n; at.Next(1)) {
    const bool whole = vector && at.i + 4 <= n;
    const Four<T> a = LoadFour(x, at.i, n, whole);
    Four<T> b = a, out;
    if (F::kSecond) b = LoadFour(second, at.i, n, whole);
    int64_t row = at.i / inner, rest = at.i % inner;
    const auto four = f.Prepare(at.i / 4);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      // Rows of elements behind the end do not exist.
      const int64_t existing = at.i + k < n ? row : 0;
      math::Narrow(f(math::Widen(a.v[k]), math::Widen(b.v[k]), existing, four, k), &out.v[k]);
      if (++rest == inner) {
        rest = 0;
        ++row;
      }
    }
    StoreFour(y, at.i, n, whole, out);
  }
}

template <class T, class F>
cudaError_t ForRows(const Stream& stream, const F& f, const void* x, const void* second, void* y,
                    int64_t rows, int64_t inner) {
  const int64_t n = rows * inner;
  if (n == 0) return cudaSuccess;
  const T* a = static_cast<const T*>(x);
  const T* b = static_cast<const T*>(second);
  T* out = static_cast<T*>(y);
  const bool vector = AlignedForFour(a) && AlignedForFour(b) && AlignedForFour(out);
  return Launch(stream, BlocksFor(n), RowsKernel<F, T>, f, a, b, out, n, inner, vector);
}

struct Nothing {};

struct ActivationOp {
  static constexpr bool kSecond = false;
  float steps;
  __device__ Nothing Prepare(int64_t) const { return {}; }
  __device__ float operator()(float x, float, int64_t, Nothing, int) const {
    return math::DorefaActivation(x, steps);
  }
};

struct ActivationGradientOp {
  static constexpr bool kSecond = true;
  __device__ Nothing Prepare(int64_t) const { return {}; }
  __device__ float operator()(float x, float dy, int64_t, Nothing, int) const {
    return math::DorefaActivationGradient(x, dy);
  }
};

struct WeightOp {
  static constexpr bool kSecond = false;
  const float* max_tanh;
  float steps;
  __device__ Nothing Prepare(int64_t) const { return {}; }
  __device__ float operator()(float w, float, int64_t row, Nothing, int) const {
    return math::DorefaWeight(w, max_tanh[row], steps);
  }
};

struct WeightGradientOp {
  static constexpr bool kSecond = true;
  const float* max_tanh;
  __device__ Nothing Prepare(int64_t) const { return {}; }
  __device__ float operator()(float w, float dy, int64_t row, Nothing, int) const {
    return math::DorefaWeightGradient(w, dy, max_tanh[row]);
  }
};

struct GradientOp {
  static constexpr bool kSecond = false;
  const float* max;
  qt_draws draws;
  float steps;
  __device__ math::PhiloxWords Prepare(int64_t place) const {
    return math::FourWords(math::DrawsOf(draws), place);
  }
  __device__ float operator()(float dy, float, int64_t row, const math::PhiloxWords& w,
                              int k) const {
    const uint32_t low = k == 0 ? w.a : w.b, high = k == 2 ? w.c : w.d;
    const float u = math::UnitInterval(k < 2 ? low : high);
    return math::DorefaGradient(dy, max[row], steps, u);
  }
};

// Bits of the largest |x| of a row, stored as a float or as its tanh.
template <class T, bool kTanh>
struct MagnitudeReducer {
  using Total = int32_t;
  const T* x;
  float* out;

  __device__ Total Zero() const { return 0; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    *total = Combine(*total, math::MagnitudeBits(math::Widen(x[element])));
  }
  __device__ Total Combine(Total a, Total b) const { return a > b ? a : b; }
  __device__ void Store(int64_t row, Total total) const {
    out[row] = kTanh ? math::DorefaMaxTanh(total) : math::BitsFloat(static_cast<uint32_t>(total));
  }
};

template <class T>
cudaError_t Weight(const Stream& stream, const qt_dorefa_weight_args& a) {
  const MagnitudeReducer<T, true> reducer = {static_cast<const T*>(a.w), a.max_tanh};
  const cudaError_t status = ReduceChannels(stream, reducer, 1, a.channels, a.inner);
  if (status != cudaSuccess) return status;
  return ForRows<T>(stream, WeightOp{a.max_tanh, math::DorefaSteps(a.bits)}, a.w, nullptr, a.y,
                    a.channels, a.inner);
}

template <class T>
cudaError_t Gradient(const Stream& stream, const qt_dorefa_gradient_args& a) {
  const MagnitudeReducer<T, false> reducer = {static_cast<const T*>(a.dy), a.max};
  const cudaError_t status = ReduceChannels(stream, reducer, 1, a.samples, a.inner);
  if (status != cudaSuccess) return status;
  return ForRows<T>(stream, GradientOp{a.max, a.draws, math::DorefaSteps(a.bits)}, a.dy, nullptr,
                    a.y, a.samples, a.inner);
}

}  // namespace

cudaError_t dorefa_activation(const Stream& stream, const qt_dorefa_activation_args& a) {
  const ActivationOp op = {math::DorefaSteps(a.bits)};
  return a.element_type == QT_ELEMENT_BF16
             ? ForRows<math::Bf16>(stream, op, a.x, nullptr, a.y, 1, a.n)
             : ForRows<float>(stream, op, a.x, nullptr, a.y, 1, a.n);
}

cudaError_t dorefa_activation_backward(const Stream& stream,
                                       const qt_dorefa_activation_backward_args& a) {
  return a.element_type == QT_ELEMENT_BF16
             ? ForRows<math::Bf16>(stream, ActivationGradientOp(), a.x, a.dy, a.dx, 1, a.n)
             : ForRows<float>(stream, ActivationGradientOp(), a.x, a.dy, a.dx, 1, a.n);
}

cudaError_t dorefa_weight(const Stream& stream, const qt_dorefa_weight_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? Weight<math::Bf16>(stream, a)
                                           : Weight<float>(stream, a);
}

cudaError_t dorefa_weight_backward(const Stream& stream, const qt_dorefa_weight_backward_args& a) {
  const WeightGradientOp op = {a.max_tanh};
  return a.element_type == QT_ELEMENT_BF16
             ? ForRows<math::Bf16>(stream, op, a.w, a.dy, a.dw, a.channels, a.inner)
             : ForRows<float>(stream, op, a.w, a.dy, a.dw, a.channels, a.inner);
}

cudaError_t dorefa_gradient(const Stream& stream, const qt_dorefa_gradient_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? Gradient<math::Bf16>(stream, a)
                                           : Gradient<float>(stream, a);
}

}  // namespace qt::cuda
