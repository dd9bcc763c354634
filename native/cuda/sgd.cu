// sgd over a whole parameter arena, the same bits as cpu/sgd.cc. 4 elements per thread and step; each
// step finds its segment by bisection.
#include "cuda/device/rows.h"
#include "cuda/device/segments.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

template <bool kNesterov>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    SgdKernel(qt_sgd_args a, Segments segments, bool vector) {
  if (a.nonfinite != nullptr && *a.nonfinite != 0) return;
  const float learning_rate = *a.learning_rate;
  for (FlatWalk at(1); at.i < a.n; at.Next(1)) {
    const int64_t i = at.i;
    const bool whole = vector && i + 4 <= a.n;
    float decay[4];
    Four<float> param = LoadFour(a.param, i, a.n, whole);
    Four<float> grad = LoadFour(a.grad, i, a.n, whole);
    Four<float> velocity = LoadFour(a.velocity, i, a.n, whole);
    DecayOfFour(segments, i, decay);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const float v = math::SgdVelocity(param.v[k], grad.v[k], velocity.v[k], decay[k], a.momentum);
      param.v[k] = kNesterov ? math::SgdParamNesterov(param.v[k], grad.v[k], v, decay[k], a.momentum,
                                                    learning_rate)
                           : math::SgdParam(param.v[k], v, learning_rate);
      velocity.v[k] = v;
    }
    StoreFour(a.velocity, i, a.n, whole, velocity);
    StoreFour(a.param, i, a.n, whole, param);
  }
}

}  // namespace

cudaError_t sgd(const Stream& stream, const qt_sgd_args& args) {
  if (args.n == 0) return cudaSuccess;
  const Segments segments = {args.segment_end, args.segment_decay, args.segments};
  const bool vector = AlignedForFour(args.param) && AlignedForFour(args.grad) &&
                      AlignedForFour(args.velocity);
  const auto kernel = args.nesterov != 0 ? SgdKernel<true> : SgdKernel<false>;
  return Launch(stream, BlocksFor(args.n), kernel, args, segments, vector);
}

}  // namespace qt::cuda
