// grad_norm, clip_grad, count_nonfinite. The norm and the count go through device memory: nothing
// waits for the host.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/layers.h"
#include "math/optimizer.h"

namespace qt::cuda {
namespace {

struct NormReducer {
  struct Total {
    double squares;
    int64_t nonfinite;
  };
  const float* grad;
  float* norm;
  int64_t* nonfinite;

  __device__ Total Zero() const { return {0.0, 0}; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    const float x = grad[element];
    const bool finite = math::IsFinite(x);
    const double v = static_cast<double>(finite ? x : 0.0f);
    total->squares += v * v;
    total->nonfinite += finite ? 0 : 1;
  }
  __device__ Total Combine(Total a, Total b) const {
    return {a.squares + b.squares, a.nonfinite + b.nonfinite};
  }
  __device__ void Store(int64_t, Total total) const {
    *norm = static_cast<float>(sqrt(total.squares));
    *nonfinite = total.nonfinite;
  }
};

struct NonfiniteReducer {
  using Total = int64_t;
  const float* x;
  int64_t* count;

  __device__ Total Zero() const { return 0; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    *total += math::IsFinite(x[element]) ? 0 : 1;
  }
  __device__ Total Combine(Total a, Total b) const { return a + b; }
  __device__ void Store(int64_t, Total total) const { *count = total; }
};

__global__ void __launch_bounds__(kThreads, kMinBlocks) ClipKernel(qt_clip_grad_args a, bool vector) {
  const bool finite = a.nonfinite == nullptr || *a.nonfinite == 0;
  const float factor = math::ClipFactor(*a.norm, *a.max_norm, finite);
  if (factor == 1.0f) return;  // every element stays as it is
  for (FlatWalk at(1); at.i < a.n; at.Next(1)) {
    const int64_t i = at.i;
    const bool whole = vector && i + 4 <= a.n;
    Four<float> grad = LoadFour(a.grad, i, a.n, whole);
#pragma unroll
    for (int k = 0; k < 4; ++k) grad.v[k] = math::Clipped(grad.v[k], factor);
    StoreFour(a.grad, i, a.n, whole, grad);
  }
}

}  // namespace

cudaError_t grad_norm(const Stream& stream, const qt_grad_norm_args& args) {
  return ReduceChannels(stream, NormReducer{args.grad, args.norm, args.nonfinite}, 1, 1, args.n);
}

cudaError_t clip_grad(const Stream& stream, const qt_clip_grad_args& args) {
  if (args.n == 0) return cudaSuccess;
  return Launch(stream, BlocksFor(args.n), ClipKernel, args, AlignedForFour(args.grad));
}

cudaError_t count_nonfinite(const Stream& stream, const qt_count_nonfinite_args& args) {
  return ReduceChannels(stream, NonfiniteReducer{args.x, args.count}, 1, 1, args.n);
}

}  // namespace qt::cuda
