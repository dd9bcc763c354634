// sgd over a whole parameter arena. Blocks are cut by elements; a block finds its first segment by
// bisection and then runs one vector loop per segment that it touches.
#include "cpu/kernel.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {
namespace {

// First segment whose end lies beyond element i.
int64_t SegmentOf(const int64_t* segment_end, int64_t segments, int64_t i) {
  int64_t low = 0, high = segments - 1;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (segment_end[middle] > i) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace

qt_status sgd(qt_context& ctx, const qt_sgd_args& args) {
  const float learning_rate = *args.learning_rate;
  const float momentum = args.momentum;
  const bool nesterov = args.nesterov != 0;
  float* param = args.param;
  const float* grad = args.grad;
  float* velocity = args.velocity;
  const int64_t* segment_end = args.segment_end;
  const float* segment_decay = args.segment_decay;
  const int64_t segments = args.segments;
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    int64_t segment = SegmentOf(segment_end, segments, begin);
    for (int64_t first = begin; first < end; ++segment) {
      const float decay = segment_decay[segment];
      const int64_t last = segment + 1 < segments ? Min(end, segment_end[segment]) : end;
      if (nesterov) {
#pragma omp simd
        for (int64_t i = first; i < last; ++i) {
          const float p = param[i], g = grad[i];
          const float v = math::SgdVelocity(p, g, velocity[i], decay, momentum);
          velocity[i] = v;
          param[i] = math::SgdParamNesterov(p, g, v, decay, momentum, learning_rate);
        }
      } else {
#pragma omp simd
        for (int64_t i = first; i < last; ++i) {
          const float p = param[i];
          const float v = math::SgdVelocity(p, grad[i], velocity[i], decay, momentum);
          velocity[i] = v;
          param[i] = math::SgdParam(p, v, learning_rate);
        }
      }
      first = last;
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
