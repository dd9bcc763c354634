// The step of least squared error, the same choice as cpu/mse_scale.cc: both sum in the order of
// math/mse_scale.h. Range: a block per channel (device/reduce.h). Errors: a block per part of a
// channel, whose elements pass through shared memory; a thread owns a candidate and adds the
// elements one by one, so no sum is shared between threads. Channels whose partial sums exceed the workspace
// go in groups, one after another on the stream.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/mse_scale.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real>
struct RangeReducer {
  struct Total {
    float lo, hi;
  };
  qt_mse_scale_args a;

  __device__ Total Zero() const { return {0.0f, 0.0f}; }  // the range contains 0
  __device__ void Add(Total* t, int64_t element, int64_t) const {
    const float x = math::Widen(static_cast<const Real*>(a.x)[element]);
    const float v = math::TakesPart(x) ? x : 0.0f;
    *t = Combine(*t, {v, v});
  }
  __device__ Total Combine(Total x, const Total& y) const {
    x.lo = y.lo < x.lo ? y.lo : x.lo;
    x.hi = y.hi > x.hi ? y.hi : x.hi;
    return x;
  }
  __device__ void Store(int64_t c, const Total& t) const {
    math::RangeToQparams(t.lo, t.hi, a.qmin, a.qmax, a.symmetric != 0, /*power_of_two=*/false,
                         a.scale + c, a.zero_point + c);
  }
};

// The channels [first, first + count) in one launch.
struct Group {
  qt_mse_scale_args a;
  math::MseParts parts;
  int64_t first, count;
  double* errors;  // [count, parts, candidates]
};

template <class Real>
__global__ void __launch_bounds__(kThreads, kMinBlocks) ErrorsKernel(Group g) {
  __shared__ float tile[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t length = g.a.outer * g.a.inner;
  const float qmin = static_cast<float>(g.a.qmin), qmax = static_cast<float>(g.a.qmax);
  for (int64_t u = blockIdx.x; u < g.count * g.parts.count; u += gridDim.x) {
    const int64_t channel = g.first + u / g.parts.count;
    const int64_t begin = u % g.parts.count * g.parts.length;
    const int64_t end = begin + g.parts.length < length ? begin + g.parts.length : length;
    const float range_scale = g.a.scale[channel];
    const float zero_point = static_cast<float>(g.a.zero_point[channel]);
    for (int32_t low = 0; low < g.a.candidates; low += kThreads) {
      const int32_t k = low + thread;
      const float scale = math::CandidateScale(range_scale, k + 1, g.a.candidates);
      double sum = 0.0;
      for (int64_t base = begin; base < end; base += kThreads) {
        const int64_t j = base + thread;
        __syncthreads();  // the tile before has been read
        if (j < end) {
          const int64_t outer = j / g.a.inner;
          const int64_t element =
              (outer * g.a.channels + channel) * g.a.inner + (j - outer * g.a.inner);
          tile[thread] = math::Widen(static_cast<const Real*>(g.a.x)[element]);
        }
        __syncthreads();
        const int n = static_cast<int>(end - base < kThreads ? end - base : kThreads);
        if (k < g.a.candidates) {
          for (int i = 0; i < n; ++i) {
            sum += math::SquaredError(tile[i], scale, zero_point, qmin, qmax);
          }
        }
      }
      if (k < g.a.candidates) g.errors[u * g.a.candidates + k] = sum;
    }
  }
}

// One block per channel: a thread adds the parts of its candidates in order, then thread 0 chooses.
__global__ void __launch_bounds__(kThreads, kMinBlocks) ChooseKernel(Group g) {
  const int64_t candidates = g.a.candidates;
  for (int64_t c = blockIdx.x; c < g.count; c += gridDim.x) {
    double* sums = g.errors + c * g.parts.count * candidates;
    for (int64_t k = threadIdx.x; k < candidates; k += kThreads) {
      double sum = sums[k];
      for (int64_t part = 1; part < g.parts.count; ++part) sum += sums[part * candidates + k];
      sums[k] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int64_t best = candidates - 1;
      for (int64_t k = candidates - 2; k >= 0; --k) {
        if (sums[k] < sums[best]) best = k;
      }
      float* scale = g.a.scale + g.first + c;
      *scale = math::CandidateScale(*scale, static_cast<int32_t>(best) + 1, g.a.candidates);
    }
  }
}

template <class Real>
cudaError_t MseScale(const Stream& stream, const qt_mse_scale_args& args) {
  cudaError_t status =
      ReduceChannels(stream, RangeReducer<Real>{args}, args.outer, args.channels, args.inner);
  const int64_t length = args.outer * args.inner;
  if (length == 0) return status;
  Group g = {args, math::PartsOf(length), 0, 0, static_cast<double*>(stream.workspace)};
  const int64_t channel_bytes = g.parts.count * args.candidates * int64_t{sizeof(double)};
  const int64_t group = kWorkspaceBytes / channel_bytes;  // at least 4: 1024 parts and candidates
  for (; status == cudaSuccess && g.first < args.channels; g.first += group) {
    g.count = args.channels - g.first < group ? args.channels - g.first : group;
    const int64_t units = g.count * g.parts.count;
    const unsigned blocks = static_cast<unsigned>(units < 65536 ? units : 65536);
    status = Launch(stream, dim3(blocks), ErrorsKernel<Real>, g);
    if (status != cudaSuccess) break;
    status = Launch(stream, dim3(blocks), ChooseKernel, g);
  }
  return status;
}

}  // namespace

cudaError_t mse_scale(const Stream& stream, const qt_mse_scale_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return MseScale<math::Pointed<decltype(type)>>(stream, a);
  });
}

}  // namespace qt::cuda
