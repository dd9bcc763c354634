// global_pool_sum, average_pool_codes and average_pool_codes_fixed, the same bits as
// cpu/pool_codes.cc.
//
// Parallel mapping: neighbouring threads take neighbouring channels of one position, so every cell
// of a window is a coalesced read. A thread takes 8 consecutive outputs, one byte of the mask.
#include "cuda/launch.h"
#include "math/integer.h"
#include "math/level.h"
#include "math/requantize.h"
#include "math/window.h"

namespace qt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) GlobalPoolSumKernel(qt_global_pool_sum_args a) {
  const int64_t outputs = a.n * a.c, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int32_t offset = math::MultiplyInt(static_cast<int32_t>(a.hw), *a.zero_point);
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; i < outputs; i += stride) {
    const int64_t image = i / a.c;
    const T* x = static_cast<const T*>(a.x) + image * a.hw * a.c + (i - image * a.c);
    int32_t sum = 0;
    for (int64_t pixel = 0; pixel < a.hw; ++pixel) sum += x[pixel * a.c];
    a.acc[i] = math::SubtractInt(sum, offset);
  }
}

// An output's window, moved from element to element.
struct OutputCursor {
  int64_t image, p, q, c;
};

__device__ inline OutputCursor OutputAt(const qt_window& w, int64_t i) {
  const int64_t position = i / w.c;
  const int64_t row = position / w.q;
  const int64_t image = row / w.p;
  return {image, row - image * w.p, position - row * w.q, i - position * w.c};
}

__device__ inline void Advance(const qt_window& w, OutputCursor* at) {
  if (++at->c < w.c) return;
  at->c = 0;
  if (++at->q < w.q) return;
  at->q = 0;
  if (++at->p < w.p) return;
  at->p = 0;
  ++at->image;
}

template <class T>
struct FloatAverage {
  using Sum = float;
  qt_average_pool_codes_args args;
  struct Constants {
    float x_scale, x_zero_point;
    math::Divisor y_scale;
    float y_zero_point;
  };
  __device__ Constants Read() const {
    return {*args.x_scale, static_cast<float>(*args.x_zero_point),
            math::MakeDivisor(*args.y_scale), static_cast<float>(*args.y_zero_point)};
  }
  __device__ static float Term(const Constants& k, T code) {
    return math::Dequantize(static_cast<float>(code), k.x_scale, k.x_zero_point);
  }
  __device__ static float LevelOf(const Constants& k, float sum, const math::Divisor& count) {
    return math::AveragePoolLevel(sum, count, k.y_scale, k.y_zero_point);
  }
  __device__ bool CountPadding() const { return args.count_padding != 0; }
};

template <class T>
struct FixedAverage {
  using Sum = int32_t;
  qt_average_pool_codes_fixed_args args;
  struct Constants {};
  __device__ Constants Read() const { return {}; }
  __device__ static int32_t Term(const Constants&, T code) { return static_cast<int32_t>(code); }
  __device__ static int32_t LevelOf(const Constants&, int32_t sum, const math::Divisor& count) {
    return math::AverageRounded(sum, count);
  }
  __device__ bool CountPadding() const { return false; }
};

template <class T, class Average>
__global__ void __launch_bounds__(kThreads, kMinBlocks) AveragePoolKernel(Average average) {
  const auto& a = average.args;
  const qt_window& w = a.window;
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const auto constants = average.Read();
  const auto ends = math::MakeEnds<typename Average::Sum>(a.qmin, a.qmax, 0, false);
  const int64_t outputs = w.n * w.p * w.q * w.c;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 8;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  for (; i < outputs; i += stride) {
    OutputCursor at = OutputAt(w, i);
    uint32_t bits = 0;
    for (int k = 0; k < 8 && i + k < outputs; ++k) {
      const math::Span rows = math::CellsInside(at.p, w.stride_h, w.pad_top, w.kernel_h, w.h);
      const math::Span cols = math::CellsInside(at.q, w.stride_w, w.pad_left, w.kernel_w, w.w);
      const int64_t top = at.image * w.h + at.p * w.stride_h - w.pad_top;
      const int64_t left = at.q * w.stride_w - w.pad_left;
      typename Average::Sum sum = 0;
      for (int64_t r = rows.first; r < rows.last; ++r) {
        for (int64_t s = cols.first; s < cols.last; ++s) {
          sum += Average::Term(constants, x[((top + r) * w.w + left + s) * w.c + at.c]);
        }
      }
      const math::Divisor count = math::MakeDivisor(
          math::WindowCount(rows, cols, w.kernel_h, w.kernel_w, average.CountPadding()));
      const auto level = Average::LevelOf(constants, sum, count);
      y[i + k] = static_cast<T>(math::LevelCode(level, ends));
      bits |= (math::Passes(level, ends) ? 1u : 0u) << k;
      Advance(w, &at);
    }
    if (a.mask != nullptr) a.mask[i / 8] = static_cast<uint8_t>(bits);
  }
}

template <class T, class Average>
cudaError_t AveragePool(const Stream& stream, const Average& average) {
  const qt_window& w = average.args.window;
  const int64_t outputs = w.n * w.p * w.q * w.c;
  if (outputs == 0) return cudaSuccess;
  return Launch(stream, BlocksFor((outputs + 1) / 2), AveragePoolKernel<T, Average>, average);
}

}  // namespace

cudaError_t global_pool_sum(const Stream& stream, const qt_global_pool_sum_args& a) {
  if (a.n * a.c == 0) return cudaSuccess;
  const auto kernel =
      a.code_type == QT_U8 ? GlobalPoolSumKernel<uint8_t> : GlobalPoolSumKernel<int8_t>;
  return Launch(stream, BlocksFor(a.n * a.c * 4), kernel, a);
}

cudaError_t average_pool_codes(const Stream& stream, const qt_average_pool_codes_args& a) {
  return a.code_type == QT_U8 ? AveragePool<uint8_t>(stream, FloatAverage<uint8_t>{a})
                              : AveragePool<int8_t>(stream, FloatAverage<int8_t>{a});
}

cudaError_t average_pool_codes_fixed(const Stream& stream,
                                     const qt_average_pool_codes_fixed_args& a) {
  return a.code_type == QT_U8 ? AveragePool<uint8_t>(stream, FixedAverage<uint8_t>{a})
                              : AveragePool<int8_t>(stream, FixedAverage<int8_t>{a});
}

}  // namespace qt::cuda
