// sgd over a whole parameter arena.
#include "cpu/segments.h"

namespace qt::cpu::QT_ISA {

qt_status sgd(qt_context& ctx, const qt_sgd_args& args) {
  if (Skipped(args)) return QT_OK;
  const float learning_rate = *args.learning_rate;
  const float momentum = args.momentum;
  const bool nesterov = args.nesterov != 0;
  float* param = args.param;
  const float* grad = args.grad;
  float* velocity = args.velocity;
  ForSegments(ctx, args, [=](int64_t begin, int64_t end, float decay) {
    if (nesterov) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float p = param[i], g = grad[i];
        const float v = math::SgdVelocity(p, g, velocity[i], decay, momentum);
        velocity[i] = v;
        param[i] = math::SgdParamNesterov(p, g, v, decay, momentum, learning_rate);
      }
    } else {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        const float p = param[i];
        const float v = math::SgdVelocity(p, grad[i], velocity[i], decay, momentum);
        velocity[i] = v;
        param[i] = math::SgdParam(p, v, learning_rate);
      }
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
