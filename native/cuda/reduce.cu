// reduce: double sums, or extremes, in the order of device/reduce.h. Where many columns are reduced over
// few rows, or between outer dimensions, a thread goes down a column of its own.
#include "cuda/device/reduce.h"
#include "cuda/device/strided.h"
#include "cuda/kernels.h"
#include "math/tensors.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

// Columns from which on one thread each is enough to fill a device.
constexpr int64_t kManyColumns = 65536;

template <class R, class Real>
struct Reducer {
  using Total = typename R::Total;
  const Real* x;
  Real* y;
  int64_t n;

  __device__ Total Zero() const { return R::Zero(); }
  __device__ void Add(Total* total, int64_t i, int64_t) const {
    *total = R::Combine(*total, R::Of(math::Widen(x[i])));
  }
  __device__ Total Combine(Total a, Total b) const { return R::Combine(a, b); }
  __device__ void Store(int64_t i, Total total) const {
    math::Narrow(R::Result(total, n), &y[i]);
  }
};

template <class R, class Real>
__global__ void __launch_bounds__(kThreads, kMinBlocks) ColumnKernel(qt_reduce_args a) {
  const int64_t columns = a.outer * a.inner, stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; i < columns; i += stride) {
    const int64_t outer = Quotient(i, a.inner);
    const Real* x = static_cast<const Real*>(a.x) + outer * (a.n - 1) * a.inner + i;
    typename R::Total total = R::Zero();
    for (int64_t j = 0; j < a.n; ++j) {
      total = R::Combine(total, R::Of(math::Widen(x[j * a.inner])));
    }
    math::Narrow(R::Result(total, a.n), static_cast<Real*>(a.y) + i);
  }
}

}  // namespace

cudaError_t reduce(const Stream& stream, const qt_reduce_args& a) {
  const int64_t columns = a.outer * a.inner;
  if (columns == 0) return cudaSuccess;
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    return math::WithReduce(a.kind, [&](auto kind) {
      using R = math::Reduction<decltype(kind)::value>;
      const Reducer<R, Real> reducer = {static_cast<const Real*>(a.x), static_cast<Real*>(a.y),
                                        a.n};
      if (a.inner == 1) return ReduceChannels(stream, reducer, 1, a.outer, a.n);
      if (a.outer == 1 && a.inner < kManyColumns) {
        return ReduceChannels(stream, reducer, a.n, a.inner, 1);
      }
      const int64_t blocks = (columns + kThreads - 1) / kThreads;
      return Launch(stream, dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks)),
                    ColumnKernel<R, Real>, a);
    });
  });
}

}  // namespace qt::cuda
