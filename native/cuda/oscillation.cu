// Oscillating weights, the same elements as cpu/oscillation.cc. Tracking takes 4 consecutive weights
// and their state per thread and step.
#include "math/oscillation.h"

#include "cuda/device/learned.h"  // after its formulas
#include "cuda/device/rows.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, kMinBlocks)
    TrackKernel(qt_track_oscillations_args a, int64_t n, bool vector) {
  const float momentum = *a.momentum, threshold = *a.threshold;
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  for (FlatWalk at(1); at.i < n; at.Next(1)) {
    const bool whole = vector && at.i + 4 <= n;
    Four<float> w = LoadFour(a.w, at.i, n, whole);
    Four<float> frequency = LoadFour(a.frequency, at.i, n, whole);
    Four<float> mean = LoadFour(a.mean, at.i, n, whole);
    Four<int8_t> integer = LoadFour(a.integer, at.i, n, whole);
    Four<int8_t> direction = LoadFour(a.direction, at.i, n, whole);
    Four<uint8_t> phase = LoadFour(a.phase, at.i, n, whole);
    int64_t channel = at.i / a.inner, rest = at.i % a.inner;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      // Channels of elements behind the end do not exist.
      const float scale = a.scale[at.i + k < n ? channel : 0];
      const math::Oscillation before = {
          static_cast<float>(integer.v[k]), static_cast<float>(direction.v[k]),
          static_cast<float>(phase.v[k]), frequency.v[k], mean.v[k]};
      const math::Oscillation after =
          math::TrackOscillation(before, w.v[k], scale, qmin, qmax, momentum, threshold);
      integer.v[k] = static_cast<int8_t>(static_cast<int32_t>(after.integer));
      direction.v[k] = static_cast<int8_t>(static_cast<int32_t>(after.direction));
      phase.v[k] = static_cast<uint8_t>(static_cast<int32_t>(after.phase));
      frequency.v[k] = after.frequency;
      mean.v[k] = after.mean;
      w.v[k] = math::FrozenWeight(after, w.v[k], scale);
      if (++rest == a.inner) {
        rest = 0;
        ++channel;
      }
    }
    StoreFour(a.w, at.i, n, whole, w);
    StoreFour(a.frequency, at.i, n, whole, frequency);
    StoreFour(a.mean, at.i, n, whole, mean);
    StoreFour(a.integer, at.i, n, whole, integer);
    StoreFour(a.direction, at.i, n, whole, direction);
    StoreFour(a.phase, at.i, n, whole, phase);
  }
}

}  // namespace

cudaError_t track_oscillations(const Stream& stream, const qt_track_oscillations_args& a) {
  const int64_t n = a.channels * a.inner;
  if (n == 0) return cudaSuccess;
  const bool vector = AlignedForFour(a.w) && AlignedForFour(a.frequency) && AlignedForFour(a.mean) &&
                      AlignedForFour(a.integer) && AlignedForFour(a.direction) &&
                      AlignedForFour(a.phase);
  return Launch(stream, BlocksFor(n), TrackKernel, a, n, vector);
}

cudaError_t dampening(const Stream& stream, const qt_dampening_args& a) {
  return LearnedKernel(stream, a, a.dy, a.dx);
}

}  // namespace qt::cuda
