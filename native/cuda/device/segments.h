// Weight decay per segment of a parameter arena.
#ifndef QUANTRAIN_CUDA_DEVICE_SEGMENTS_H_
#define QUANTRAIN_CUDA_DEVICE_SEGMENTS_H_

#include "math/optimizer.h"

namespace qt::cuda {

struct Segments {
  const int64_t* end;
  const float* decay;
  int64_t count;
};

// decay[k] of element i + k, k < 4; of the last segment beyond the end.
__device__ inline void DecayOfFour(const Segments& segments, int64_t i, float* decay) {
  int64_t segment = math::SegmentOf(segments.end, segments.count, i);
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    while (segment + 1 < segments.count && segments.end[segment] <= i + k) ++segment;
    decay[k] = segments.decay[segment];
  }
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_SEGMENTS_H_
