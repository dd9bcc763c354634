// The part of an elementwise op that takes a real number to a code of its channel's grid.
#ifndef QUANTRAIN_CUDA_DEVICE_GRID_H_
#define QUANTRAIN_CUDA_DEVICE_GRID_H_

#include "math/step.h"

namespace qt::cuda {

// kMultiplies: known of the step, so that the elements of a pack have no branch between them.
template <bool kMultiplies>
__device__ inline float Level(float x, const math::Step& step, float zero_point) {
  return kMultiplies ? math::LevelByReciprocal(x, step.scale, step.reciprocal, zero_point)
                     : math::Level(x, step.scale, zero_point);
}

struct GridOp {
  struct Channel {
    math::Step step;
    float zero_point;
  };
  const float* scale;         // null is 1
  const int32_t* zero_point;  // null is 0
  float qmin, qmax;

  __device__ Channel At(int64_t c) const {
    return {{scale == nullptr ? 1.0f : scale[c], 0.0f},
            zero_point == nullptr ? 0.0f : static_cast<float>(zero_point[c])};
  }
  __device__ Channel Prepared(int64_t c) const {
    Channel channel = At(c);
    channel.step = math::StepOf(channel.step.scale);
    return channel;
  }

  __device__ static bool Multiplies(const Channel& channel) {
    return math::Multiplies(channel.step);
  }

  // *kept: the clamp did not act.
  template <bool kMultiplies>
  __device__ float Code(float x, const Channel& channel, bool* kept) const {
    const float level = Level<kMultiplies>(x, channel.step, channel.zero_point);
    const float code = math::Clamp(level, qmin, qmax);
    *kept = math::Kept(level, code);
    return code;
  }
};

template <class Args>
inline GridOp GridOf(const Args& a) {
  return {a.scale, a.zero_point, static_cast<float>(a.qmin), static_cast<float>(a.qmax)};
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_GRID_H_
