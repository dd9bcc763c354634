// max_pool, average_pool and their gradients on NHWC, the same bits as cpu/pool.cc: windows and
// sums in row-major order.
//
// Parallel mapping: a thread takes one output position (gradients: input position) and the
// neighbouring channels of one 16-byte access; next threads take the next channels. A gradient
// gathers from the windows that cover its position, so no two threads write one element.
#include "cuda/device/pack.h"
#include "cuda/device/pool.h"
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class T, int kWidth, bool kWantIndex>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    MaxPoolKernel(const T* x, T* y, uint8_t* argmax, qt_window w, PixelExtent outputs) {
  using Value = decltype(math::ToCompare(T()));
  for (PixelWalk at(outputs); at.Inside(outputs); at.Next(outputs)) {
    const WindowCells cells = CellsOf(w, at.h, at.w);
    const int64_t channel = static_cast<int64_t>(at.group) * kWidth;
    const T* from = x + WindowOrigin(w, at.n, at.h, at.w) + channel;
    Value best[kWidth];
    Pack<uint8_t, kWidth> index;
    // The first cell's index stands where no cell exceeds the lowest value.
    const bool empty = math::SpanLength(cells.rows) == 0 || math::SpanLength(cells.cols) == 0;
    const int64_t first = empty ? 0 : cells.rows.first * w.kernel_w + cells.cols.first;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      best[k] = math::Lowest<Value>();
      index.v[k] = static_cast<uint8_t>(first);
    }
    for (int64_t r = cells.rows.first; r < cells.rows.last; ++r) {
      for (int64_t s = cells.cols.first; s < cells.cols.last; ++s) {
        const Pack<T, kWidth> cell = LoadPack<kWidth>(from + (r * w.w + s) * w.c);
        const uint8_t here = static_cast<uint8_t>(r * w.kernel_w + s);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) {
          const Value next = math::ToCompare(cell.v[k]);
          const bool replaces = math::MaxReplaces(next, best[k]);
          best[k] = replaces ? next : best[k];
          if (kWantIndex) index.v[k] = replaces ? here : index.v[k];
        }
      }
    }
    const int64_t out = at.Pixel(outputs) * w.c + channel;
    Pack<T, kWidth> most;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) math::StoreCompared(best[k], &most.v[k]);
    StorePack<kWidth>(y + out, most);
    if (kWantIndex) StorePack<kWidth>(argmax + out, index);
  }
}

template <class Real, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    AveragePoolKernel(const Real* x, Real* y, qt_window w, bool count_padding,
                      PixelExtent outputs) {
  for (PixelWalk at(outputs); at.Inside(outputs); at.Next(outputs)) {
    const WindowCells cells = CellsOf(w, at.h, at.w);
    const int64_t channel = static_cast<int64_t>(at.group) * kWidth;
    const Real* from = x + WindowOrigin(w, at.n, at.h, at.w) + channel;
    float sums[kWidth] = {};
    for (int64_t r = cells.rows.first; r < cells.rows.last; ++r) {
      for (int64_t s = cells.cols.first; s < cells.cols.last; ++s) {
        const Pack<Real, kWidth> next = LoadPack<kWidth>(from + (r * w.w + s) * w.c);
#pragma unroll
        for (int k = 0; k < kWidth; ++k) sums[k] += math::Widen(next.v[k]);
      }
    }
    const float count =
        math::WindowCount(cells.rows, cells.cols, w.kernel_h, w.kernel_w, count_padding);
    Pack<Real, kWidth> mean;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) math::Narrow(sums[k] / count, &mean.v[k]);
    StorePack<kWidth>(y + at.Pixel(outputs) * w.c + channel, mean);
  }
}

// A term of a gradient: what the window at output element `out` gives to its cell `cell`, which is
// read as kWidth neighbouring channels.
template <class T>
struct MaxPoolTerm {
  using Real = T;
  const Real* dy;
  const uint8_t* argmax;

  template <int kWidth>
  __device__ void Add(const qt_window&, int64_t out, int64_t cell, int64_t, int64_t,
                      float (&sums)[kWidth]) const {
    const Pack<Real, kWidth> d = LoadPack<kWidth>(dy + out);
    const Pack<uint8_t, kWidth> index = LoadPack<kWidth>(argmax + out);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sums[k] += index.v[k] == cell ? math::Widen(d.v[k]) : 0.0f;
  }
};

template <class T>
struct AveragePoolTerm {
  using Real = T;
  const Real* dy;
  bool count_padding;

  template <int kWidth>
  __device__ void Add(const qt_window& w, int64_t out, int64_t, int64_t p, int64_t q,
                      float (&sums)[kWidth]) const {
    const Pack<Real, kWidth> d = LoadPack<kWidth>(dy + out);
    const WindowCells cells = CellsOf(w, p, q);
    const float count =
        math::WindowCount(cells.rows, cells.cols, w.kernel_h, w.kernel_w, count_padding);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) sums[k] += math::Widen(d.v[k]) / count;
  }
};

template <class Term, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    GatherKernel(Term term, typename Term::Real* dx, qt_window w, PixelExtent inputs) {
  for (PixelWalk at(inputs); at.Inside(inputs); at.Next(inputs)) {
    const math::Span ps =
        math::OutputsCovering(at.h, w.stride_h, w.pad_top, w.kernel_h, w.p);
    const math::Span qs =
        math::OutputsCovering(at.w, w.stride_w, w.pad_left, w.kernel_w, w.q);
    const int64_t channel = static_cast<int64_t>(at.group) * kWidth;
    float sums[kWidth] = {};
    for (int64_t p = ps.first; p < ps.last; ++p) {
      const int64_t r = at.h + w.pad_top - p * w.stride_h;
      for (int64_t q = qs.first; q < qs.last; ++q) {
        const int64_t s = at.w + w.pad_left - q * w.stride_w;
        const int64_t out = ((at.n * w.p + p) * w.q + q) * w.c + channel;
        term.Add(w, out, r * w.kernel_w + s, p, q, sums);
      }
    }
    Pack<typename Term::Real, kWidth> narrow;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) math::Narrow(sums[k], &narrow.v[k]);
    StorePack<kWidth>(dx + at.Pixel(inputs) * w.c + channel, narrow);
  }
}

template <class T, int kWidth>
cudaError_t MaxPoolOf(const Stream& stream, const qt_max_pool_args& args) {
  const PixelExtent outputs = OutputPixels(args.window, kWidth);
  return Launch(stream, dim3(BlocksForPixels(outputs)),
                args.argmax != nullptr ? MaxPoolKernel<T, kWidth, true>
                                       : MaxPoolKernel<T, kWidth, false>,
                static_cast<const T*>(args.x), static_cast<T*>(args.y), args.argmax, args.window,
                outputs);
}

// kWidth elements are 16 bytes.
template <class T, int kWidth>
cudaError_t MaxPool(const Stream& stream, const qt_max_pool_args& args) {
  const bool wide = args.window.c % kWidth == 0 &&
                    AlignedForPack<kWidth>(static_cast<const T*>(args.x)) &&
                    AlignedForPack<kWidth>(static_cast<const T*>(args.y)) &&
                    AlignedForPack<kWidth>(args.argmax);
  return wide ? MaxPoolOf<T, kWidth>(stream, args) : MaxPoolOf<T, 1>(stream, args);
}

// Channels of a 16-byte access: 4 floats, 8 bf16.
template <class Real>
constexpr int kChannels = 16 / static_cast<int>(sizeof(Real));

template <class Term>
cudaError_t Gather(const Stream& stream, const Term& term, typename Term::Real* dx,
                   const qt_window& w, bool wide) {
  constexpr int kWidth = kChannels<typename Term::Real>;
  if (w.n == 0 || w.h == 0 || w.w == 0 || w.c == 0) return cudaSuccess;
  const PixelExtent inputs = InputPixels(w, wide ? kWidth : 1);
  return Launch(stream, dim3(BlocksForPixels(inputs)),
                wide ? GatherKernel<Term, kWidth> : GatherKernel<Term, 1>, term, dx, w, inputs);
}

template <class Real>
bool IsWide(const qt_window& w, const Real* a, const Real* b) {
  return w.c % kChannels<Real> == 0 && AlignedForPack<kChannels<Real>>(a) &&
         AlignedForPack<kChannels<Real>>(b);
}

bool HasOutputs(const qt_window& w) { return w.n > 0 && w.p > 0 && w.q > 0 && w.c > 0; }

}  // namespace

cudaError_t max_pool(const Stream& stream, const qt_max_pool_args& args) {
  if (!HasOutputs(args.window)) return cudaSuccess;
  if (args.element_type == QT_ELEMENT_F32) return MaxPool<float, 4>(stream, args);
  if (args.element_type == QT_ELEMENT_BF16) return MaxPool<math::Bf16, 8>(stream, args);
  if (args.element_type == QT_ELEMENT_U8) return MaxPool<uint8_t, 16>(stream, args);
  return MaxPool<int8_t, 16>(stream, args);
}

cudaError_t max_pool_backward(const Stream& stream, const qt_max_pool_backward_args& args) {
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const MaxPoolTerm<Real> term = {static_cast<const Real*>(args.dy), args.argmax};
    Real* const dx = static_cast<Real*>(args.dx);
    const bool wide = IsWide<Real>(args.window, term.dy, dx) &&
                      AlignedForPack<kChannels<Real>>(args.argmax);
    return Gather(stream, term, dx, args.window, wide);
  });
}

cudaError_t average_pool(const Stream& stream, const qt_average_pool_args& args) {
  if (!HasOutputs(args.window)) return cudaSuccess;
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* const x = static_cast<const Real*>(args.x);
    Real* const y = static_cast<Real*>(args.y);
    const bool wide = IsWide<Real>(args.window, x, y);
    const PixelExtent outputs = OutputPixels(args.window, wide ? kChannels<Real> : 1);
    return Launch(stream, dim3(BlocksForPixels(outputs)),
                  wide ? AveragePoolKernel<Real, kChannels<Real>> : AveragePoolKernel<Real, 1>, x,
                  y, args.window, args.count_padding != 0, outputs);
  });
}

cudaError_t average_pool_backward(const Stream& stream, const qt_average_pool_backward_args& args) {
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const AveragePoolTerm<Real> term = {static_cast<const Real*>(args.dy),
                                        args.count_padding != 0};
    Real* const dx = static_cast<Real*>(args.dx);
    return Gather(stream, term, dx, args.window, IsWide<Real>(args.window, term.dy, dx));
  });
}

}  // namespace qt::cuda
