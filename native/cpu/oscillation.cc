// Oscillating weights: tracking with freezing, in place and in one pass; dampening.
#include "math/oscillation.h"

#include "cpu/learned.h"  // after its formulas

namespace qt::cpu::QT_ISA {

qt_status track_oscillations(qt_context& ctx, const qt_track_oscillations_args& a) {
  const qt_track_oscillations_args args = a;
  const float momentum = *a.momentum, threshold = *a.threshold;
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  ParallelParts(ctx, a.channels, a.inner, [=](int64_t channel, int64_t begin, int64_t n) {
    const int64_t first = channel * args.inner + begin;
    const float scale = args.scale[channel];
    float* w = args.w + first;
    int8_t* integer = args.integer + first;
    int8_t* direction = args.direction + first;
    uint8_t* phase = args.phase + first;
    float* frequency = args.frequency + first;
    float* mean = args.mean + first;
    // A lambda: structs declared in the body of a simd loop keep it from being vectorized.
    const auto track = [=](int64_t i) {
      const math::Oscillation before = {static_cast<float>(integer[i]),
                                        static_cast<float>(direction[i]),
                                        static_cast<float>(phase[i]), frequency[i], mean[i]};
      const math::Oscillation after =
          math::TrackOscillation(before, w[i], scale, qmin, qmax, momentum, threshold);
      integer[i] = static_cast<int8_t>(static_cast<int32_t>(after.integer));
      direction[i] = static_cast<int8_t>(static_cast<int32_t>(after.direction));
      phase[i] = static_cast<uint8_t>(static_cast<int32_t>(after.phase));
      frequency[i] = after.frequency;
      mean[i] = after.mean;
      w[i] = math::FrozenWeight(after, w[i], scale);
    };
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) track(i);
  });
  return QT_OK;
}

qt_status dampening(qt_context& ctx, const qt_dampening_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
