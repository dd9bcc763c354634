// gather, a thread per element. gather_backward, a block per row of dx: its threads look at 256 indices at
// a time, and those that name the row are added from the first to the last, each thread in columns of its
// own. So both give the bits of cpu/gather.cc.
#include "cuda/device/strided.h"
#include "cuda/kernels.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class T>
struct Gather {
  const T* x;
  const int32_t* indices;
  T* y;
  int64_t axis, inner, count;

  __device__ void Apply(int64_t i, const int64_t (&)[1]) const {
    const int64_t row = Quotient(i, inner), outer = Quotient(row, count);
    const int64_t k = indices[row - outer * count];
    const bool inside = k >= 0 && k < axis;
    y[i] = inside ? x[(outer * axis + k) * inner + (i - row * inner)] : T();
  }
};

template <class T>
cudaError_t GatherAll(const Stream& stream, const qt_gather_args& a) {
  math::Strided<1> elements = {};
  elements.dims = 1;
  elements.size[0] = a.outer * a.count * a.inner;
  return ForStrided(stream,
                    Gather<T>{static_cast<const T*>(a.x), a.indices, static_cast<T*>(a.y), a.axis,
                              a.inner, a.count},
                    elements);
}

template <class Real>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    GatherBackwardKernel(qt_gather_backward_args a) {
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ unsigned hits[kWarps];
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t at = blockIdx.x; at < a.outer * a.axis; at += gridDim.x) {
    const int64_t outer = at / a.axis, k = at - outer * a.axis;
    float* dx = a.dx + at * a.inner;
    for (int64_t i = thread; i < a.inner; i += kThreads) dx[i] = 0.0f;
    for (int64_t base = 0; base < a.count; base += kThreads) {
      const int64_t j = base + thread;
      const unsigned ballot = __ballot_sync(0xffffffffu, j < a.count && a.indices[j] == k);
      __syncthreads();  // the hits before have been read
      if (thread % kWarpSize == 0) hits[thread / kWarpSize] = ballot;
      __syncthreads();
      for (int warp = 0; warp < kWarps; ++warp) {
        for (unsigned left = hits[warp]; left != 0; left &= left - 1) {
          const int64_t hit = base + warp * kWarpSize + __ffs(static_cast<int>(left)) - 1;
          const Real* dy = static_cast<const Real*>(a.dy) + (outer * a.count + hit) * a.inner;
          for (int64_t i = thread; i < a.inner; i += kThreads) dx[i] += math::Widen(dy[i]);
        }
      }
    }
  }
}

}  // namespace

cudaError_t gather(const Stream& stream, const qt_gather_args& a) {
  return math::WithElementBytes(a.element_bytes, [&](auto* type) {
    return GatherAll<math::Pointed<decltype(type)>>(stream, a);
  });
}

cudaError_t gather_backward(const Stream& stream, const qt_gather_backward_args& a) {
  const int64_t rows = a.outer * a.axis;
  if (rows == 0 || a.inner == 0) return cudaSuccess;
  return math::WithReal(a.element_type, [&](auto* type) {
    return Launch(stream, dim3(static_cast<unsigned>(rows < 65536 ? rows : 65536)),
                  GatherBackwardKernel<math::Pointed<decltype(type)>>, a);
  });
}

}  // namespace qt::cuda
