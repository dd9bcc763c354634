// adamw over a whole parameter arena.
#include "cpu/segments.h"

namespace qt::cpu::QT_ISA {

qt_status adamw(qt_context& ctx, const qt_adamw_args& args) {
  if (Skipped(args)) return QT_OK;
  const math::AdamStep step = math::AdamStepOf(*args.learning_rate, args.beta1, args.beta2,
                                               args.epsilon, *args.step);
  float* param = args.param;
  const float* grad = args.grad;
  float* mean = args.mean;
  float* square = args.square;
  ForSegments(ctx, args, [=](int64_t begin, int64_t end, float decay) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      const float m = math::AdamMean(step, mean[i], grad[i]);
      const float v = math::AdamSquare(step, square[i], grad[i]);
      mean[i] = m;
      square[i] = v;
      param[i] = math::AdamParam(step, param[i], m, v, decay);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
