// adamw over a whole parameter arena, the same bits as cpu/adamw.cc. 4 elements per thread and step;
// each step finds its segment by bisection.
#include "cuda/device/rows.h"
#include "cuda/device/segments.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, kMinBlocks)
    AdamWKernel(qt_adamw_args a, Segments segments, bool vector) {
  if (a.nonfinite != nullptr && *a.nonfinite != 0) return;
  const math::AdamStep step =
      math::AdamStepOf(*a.learning_rate, a.beta1, a.beta2, a.epsilon, *a.step);
  for (FlatWalk at(1); at.i < a.n; at.Next(1)) {
    const int64_t i = at.i;
    const bool whole = vector && i + 4 <= a.n;
    float decay[4];
    Four<float> param = LoadFour(a.param, i, a.n, whole);
    Four<float> grad = LoadFour(a.grad, i, a.n, whole);
    Four<float> mean = LoadFour(a.mean, i, a.n, whole);
    Four<float> square = LoadFour(a.square, i, a.n, whole);
    DecayOfFour(segments, i, decay);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      mean.v[k] = math::AdamMean(step, mean.v[k], grad.v[k]);
      square.v[k] = math::AdamSquare(step, square.v[k], grad.v[k]);
      param.v[k] = math::AdamParam(step, param.v[k], mean.v[k], square.v[k], decay[k]);
    }
    StoreFour(a.mean, i, a.n, whole, mean);
    StoreFour(a.square, i, a.n, whole, square);
    StoreFour(a.param, i, a.n, whole, param);
  }
}

}  // namespace

cudaError_t adamw(const Stream& stream, const qt_adamw_args& args) {
  if (args.n == 0) return cudaSuccess;
  const Segments segments = {args.segment_end, args.segment_decay, args.segments};
  const bool vector = AlignedForFour(args.param) && AlignedForFour(args.grad) &&
                      AlignedForFour(args.mean) && AlignedForFour(args.square);
  return Launch(stream, BlocksFor(args.n), AdamWKernel, args, segments, vector);
}

}  // namespace qt::cuda
