// N2UQ, the same elements as cpu/n2uq.cc. Every block adds the thresholds up for itself, in shared
// memory; an element finds its segment by halving. Gradients of the intervals are sums per segment
// in a fixed order without atomics: a block stages kThreads elements at a time, and thread s adds up
// those of segment s (there are at most 255); a second kernel adds the blocks' sums in order.
#include "math/n2uq.h"

#include "cuda/device/learned.h"  // after its formulas
#include "cuda/kernels.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

static_assert(math::kN2uqMostSegments <= kThreads, "a thread per segment");

// begin[i], and thresholds in between; made by the first thread, because each follows the last.
struct Tables {
  float begin[math::kN2uqMostEntries];
  float threshold[math::kN2uqMostEntries];
  float interval[math::kN2uqMostEntries];
};

template <class Args>
__device__ inline void Fill(const Args& a, int32_t segments, Tables* t) {
  if (threadIdx.x == 0) {
    float at = *a.start;
    for (int32_t i = 0; i < segments; ++i) {
      t->begin[i] = at;
      t->interval[i] = math::N2uqInterval(a.intervals[i]);
      t->threshold[i] = math::N2uqThreshold(at, t->interval[i]);
      at += t->interval[i];
    }
    t->begin[segments] = at;
  }
  __syncthreads();
}

__device__ inline int32_t Locate(const float* sorted, int32_t bits, float u) {
  int32_t at = 0;
  for (int32_t half = 1 << (bits - 1); half > 0; half /= 2) {
    at = math::CountBelow(sorted, at, half, u);
  }
  return at;
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) ForwardKernel(qt_n2uq_args a) {
  __shared__ Tables tables;
  const int32_t segments = (1 << a.bits) - 1;
  Fill(a, segments, &tables);
  const T* x = static_cast<const T*>(a.x);
  T* y = static_cast<T*>(a.y);
  const float in_scale = *a.in_scale, scale = *a.out_scale, step = math::N2uqStep(segments);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < a.n;
       i += stride) {
    const int32_t code = Locate(tables.threshold, a.bits, math::Widen(x[i]) * in_scale);
    math::Narrow(scale * (static_cast<float>(code) * step), y + i);
  }
}

// What a block sums for segment s: slopes and moments; for 255, unused by a segment, the gradients
// of in_scale and out_scale.
struct Sums {
  float slope, moment;
};
constexpr int32_t kScales = kThreads - 1;

struct Staged {
  int32_t segment[kThreads];
  float slope[kThreads], moment[kThreads], by_in[kThreads], by_out[kThreads];
};

// blocks parts of the elements; partials[part * kThreads + s].
template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    BackwardKernel(qt_n2uq_backward_args a, int64_t parts, int64_t part_elements, Sums* partials) {
  __shared__ Tables tables;
  __shared__ Staged staged;
  const int32_t segments = (1 << a.bits) - 1;
  Fill(a, segments, &tables);
  const T* x = static_cast<const T*>(a.x);
  const T* dy = static_cast<const T*>(a.dy);
  T* dx = static_cast<T*>(a.dx);
  const float in_scale = *a.in_scale, out_scale = *a.out_scale, start = *a.start;
  const float step = math::N2uqStep(segments);
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t part = blockIdx.x; part < parts; part += gridDim.x) {
    const int64_t begin = part * part_elements;
    const int64_t end = begin + part_elements < a.n ? begin + part_elements : a.n;
    Sums sums = {0.0f, 0.0f};
    for (int64_t first = begin; first < end; first += kThreads) {
      const int64_t i = first + thread;
      const int count = static_cast<int>(end - first < kThreads ? end - first : kThreads);
      if (i < end) {
        const float value = math::Widen(x[i]), u = value * in_scale;
        const int32_t segment = Locate(tables.begin + 1, a.bits, u);
        const int32_t at = segment < segments ? segment : segments - 1;
        const math::N2uqTerms terms =
            math::N2uqGradient(value, u, math::Widen(dy[i]), segment, segments, start,
                               tables.begin[at], tables.interval[at], step, out_scale);
        math::Narrow(terms.slope * in_scale, dx + i);
        staged.segment[thread] = at;
        staged.slope[thread] = terms.slope;
        staged.moment[thread] = terms.moment;
        staged.by_in[thread] = terms.input;
        staged.by_out[thread] = terms.output;
      }
      __syncthreads();
      for (int k = 0; k < count; ++k) {
        const bool mine = staged.segment[k] == thread;
        const float slope = thread == kScales ? staged.by_in[k] : mine ? staged.slope[k] : 0.0f;
        const float moment = thread == kScales ? staged.by_out[k] : mine ? staged.moment[k] : 0.0f;
        sums.slope += slope;
        sums.moment += moment;
      }
      __syncthreads();
    }
    partials[part * kThreads + thread] = sums;
  }
}

// One block: thread s adds the parts of segment s, the first thread what lies behind each segment.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    FinishKernel(qt_n2uq_backward_args a, int64_t parts, const Sums* partials) {
  __shared__ Sums totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  Sums sums = {0.0f, 0.0f};
  for (int64_t part = 0; part < parts; ++part) {
    sums.slope += partials[part * kThreads + thread].slope;
    sums.moment += partials[part * kThreads + thread].moment;
  }
  totals[thread] = sums;
  __syncthreads();
  if (thread != 0) return;
  float after = 0.0f;
  for (int32_t i = (1 << a.bits) - 2; i >= 0; --i) {
    a.dintervals[i] = math::N2uqIntervalGradient(
        a.intervals[i], math::N2uqInterval(a.intervals[i]), totals[i].moment, after);
    after += totals[i].slope;
  }
  *a.dstart = -after;
  *a.din_scale = totals[kScales].slope;
  *a.dout_scale = totals[kScales].moment;
}

}  // namespace

cudaError_t n2uq(const Stream& stream, const qt_n2uq_args& a) {
  if (a.n == 0) return cudaSuccess;
  return Launch(stream, dim3(BlocksFor(a.n)),
                a.element_type == QT_ELEMENT_BF16 ? ForwardKernel<math::Bf16> : ForwardKernel<float>,
                a);
}

cudaError_t n2uq_backward(const Stream& stream, const qt_n2uq_backward_args& a) {
  constexpr int64_t kMostParts = 1024;
  int64_t parts = (a.n + 8 * kThreads - 1) / (8 * kThreads);
  parts = parts < 1 ? 1 : parts > kMostParts ? kMostParts : parts;
  const int64_t part_elements = (a.n + parts - 1) / parts;
  static_assert(kMostParts * kThreads * sizeof(Sums) <= kWorkspaceBytes, "sums of the parts");
  Sums* partials = static_cast<Sums*>(stream.workspace);
  const cudaError_t status =
      Launch(stream, dim3(static_cast<unsigned>(parts)),
             a.element_type == QT_ELEMENT_BF16 ? BackwardKernel<math::Bf16> : BackwardKernel<float>,
             a, parts, part_elements, partials);
  if (status != cudaSuccess) return status;
  return Launch(stream, dim3(1), FinishKernel, a, parts, partials);
}

cudaError_t n2uq_weight(const Stream& stream, const qt_n2uq_weight_args& a) {
  return LearnedKernel(stream, a, nullptr, a.y);
}

}  // namespace qt::cuda
