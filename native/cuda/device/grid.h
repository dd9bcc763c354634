// The part of an elementwise op that takes a real number to a code of its channel's grid.
#ifndef QUANTRAIN_CUDA_DEVICE_GRID_H_
#define QUANTRAIN_CUDA_DEVICE_GRID_H_

#include "math/quantize.h"

namespace qt::cuda {

struct GridOp {
  struct Channel {
    float scale, zero_point;
  };
  const float* scale;         // null is 1
  const int32_t* zero_point;  // null is 0
  float qmin, qmax;

  __device__ Channel At(int64_t c) const {
    return {scale == nullptr ? 1.0f : scale[c],
            zero_point == nullptr ? 0.0f : static_cast<float>(zero_point[c])};
  }

  // *kept: the clamp did not act.
  __device__ float Code(float x, const Channel& channel, bool* kept) const {
    const float level = math::Level(x, channel.scale, channel.zero_point);
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
