// softmax_cross_entropy, the same bits as cpu/softmax_cross_entropy.cc: half a warp takes a row, lane
// j the classes j, j + 16, ..., which is the CPU's order of summation; the losses of the rows are
// combined pairwise by one block. Three launches: how many rows count, rows, losses.
#include "cuda/device/reduce.h"
#include "cuda/kernels.h"
#include "math/elementary.h"
#include "math/loss.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

constexpr int kLanes = math::kClassLanes;
constexpr int kRowsPerBlock = kThreads / kLanes;
constexpr unsigned kAll = 0xffffffffu;
static_assert(kLanes == 16, "two rows per warp");

// The workspace: the number of rows that count behind the partial results of its reduction, then a
// loss and a flag per row.
struct Workspace {
  int64_t* counted;
  float* losses;
  int32_t* corrects;
};

Workspace WorkspaceOf(const Stream& stream, int64_t rows) {
  char* begin = static_cast<char*>(stream.workspace) + kMaxParts * sizeof(int64_t);
  float* losses = reinterpret_cast<float*>(begin + 256);
  return {reinterpret_cast<int64_t*>(begin), losses, reinterpret_cast<int32_t*>(losses + rows)};
}

__device__ inline bool Counts(int32_t label, int64_t classes) {
  return label >= 0 && label < classes;
}

struct CountedReducer {
  using Total = int64_t;
  const int32_t* labels;
  int64_t classes;
  int64_t* counted;

  __device__ Total Zero() const { return 0; }
  __device__ void Add(Total* total, int64_t row, int64_t) const {
    *total += Counts(labels[row], classes) ? 1 : 0;
  }
  __device__ Total Combine(Total a, Total b) const { return a + b; }
  __device__ void Store(int64_t, Total total) const { *counted = total; }
};

// Lanes of a row as a tree over neighbours; every lane gets the result.
__device__ inline float SumOfLanes(float v) {
  for (int lanes = 1; lanes < kLanes; lanes *= 2) v += __shfl_xor_sync(kAll, v, lanes);
  return v;
}

// NaN is skipped here and found by the sum.
template <class Real>
__device__ inline float RowMaximum(const Real* x, int64_t classes, int lane) {
  float max = -HUGE_VALF;
  for (int64_t j = lane; j < classes; j += kLanes) {
    const float v = math::Widen(x[j]);
    max = v > max ? v : max;
  }
  for (int lanes = 1; lanes < kLanes; lanes *= 2) {
    const float other = __shfl_xor_sync(kAll, max, lanes);
    max = other > max ? other : max;
  }
  return max;
}

// Index of the first maximum; classes where the row has none (NaN).
template <class Real>
__device__ inline int64_t FirstEqual(const Real* x, int64_t classes, float max, int lane) {
  int64_t first = lane;
  while (first < classes && math::Widen(x[first]) != max) first += kLanes;
  first = first < classes ? first : classes;
  for (int lanes = 1; lanes < kLanes; lanes *= 2) {
    const int64_t other = __shfl_xor_sync(kAll, first, lanes);
    first = other < first ? other : first;
  }
  return first;
}

template <class Real, bool kTeacher>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    RowsKernel(qt_softmax_cross_entropy_args a, Workspace w) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRowsPerBlock;
  const float rows = static_cast<float>(*w.counted);
  const float all = static_cast<float>(a.classes), t = a.temperature;
  // Bounds are those of the block: all lanes of a warp take part in every shuffle.
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock; base < a.rows;
       base += stride) {
    const int64_t row = base + threadIdx.x / kLanes;
    const int32_t label = row < a.rows ? a.labels[row] : -1;
    const bool counts = Counts(label, a.classes);
    // A row that does not count takes part with no classes.
    const int64_t classes = counts ? a.classes : 0;
    const Real* logits = static_cast<const Real*>(a.logits) + (counts ? row * a.classes : 0);
    const float max = RowMaximum(logits, classes, lane);
    float exps = 0.0f, sum_shifted = 0.0f;
    for (int64_t j = lane; j < classes; j += kLanes) {
      const float shifted = math::Widen(logits[j]) - max;
      exps += math::Exp(shifted);
      sum_shifted += shifted;
    }
    const float sum = SumOfLanes(exps);
    sum_shifted = SumOfLanes(sum_shifted);
    const int64_t first = FirstEqual(logits, classes, max, lane);

    const Real* teacher = nullptr;
    float teacher_max = 0.0f, soft_sum = 0.0f, teacher_sum = 0.0f, cross = 0.0f, soft_shifted = 0.0f;
    if (kTeacher) {
      teacher = static_cast<const Real*>(a.teacher) + (counts ? row * a.classes : 0);
      teacher_max = RowMaximum(teacher, classes, lane);
      for (int64_t j = lane; j < classes; j += kLanes) {
        const float shifted = (math::Widen(logits[j]) - max) / t;
        const float teacher_shifted = (math::Widen(teacher[j]) - teacher_max) / t;
        const float e = math::Exp(teacher_shifted);
        soft_sum += math::Exp(shifted);
        teacher_sum += e;
        cross += e * shifted;
        soft_shifted += shifted + teacher_shifted;
      }
      soft_sum = SumOfLanes(soft_sum);
      teacher_sum = SumOfLanes(teacher_sum);
      cross = SumOfLanes(cross);
      soft_shifted = SumOfLanes(soft_shifted);
    }
    if (lane == 0 && row < a.rows) {
      float loss = 0.0f;
      bool correct = false;
      if (counts) {
        loss = math::CrossEntropy(math::Log(sum), math::Widen(logits[label]) - max, sum_shifted,
                                  a.smoothing, all);
        correct = loss == loss && first == label;
        if (kTeacher) {
          const float soft =
              math::SoftCrossEntropy(math::Log(soft_sum), cross, teacher_sum, soft_shifted);
          loss = math::DistilledLoss(loss, soft, t, a.soft_weight);
        }
      }
      w.losses[row] = loss;
      w.corrects[row] = correct ? 1 : 0;
    }
    if (a.dlogits == nullptr || row >= a.rows) continue;
    Real* gradient = static_cast<Real*>(a.dlogits) + row * a.classes;
    const float off = a.smoothing / all;
    const float on = off + (1.0f - a.smoothing);
    for (int64_t j = lane; j < a.classes; j += kLanes) {
      float g = 0.0f;
      if (counts) {
        const float target = j == label ? on : off;
        const float e = math::Exp(math::Widen(logits[j]) - max);
        g = math::CrossEntropyGradient(e, sum, target, rows);
        if (kTeacher) {
          const float p = math::Exp((math::Widen(logits[j]) - max) / t) / soft_sum;
          const float q = math::Exp((math::Widen(teacher[j]) - teacher_max) / t) / teacher_sum;
          g = math::DistilledGradient(g, p, q, t, a.soft_weight, rows);
        }
      }
      math::Narrow(g, &gradient[j]);
    }
  }
}

// One block.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    LossesKernel(qt_softmax_cross_entropy_args a, Workspace w) {
  __shared__ int32_t corrects[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  int32_t correct = 0;
  for (int64_t row = thread; row < a.rows; row += kThreads) correct += w.corrects[row];
  corrects[thread] = correct;
  for (int64_t stride = 1; stride < a.rows; stride *= 2) {
    for (int64_t i = thread * 2 * stride; i + stride < a.rows; i += kThreads * 2 * stride) {
      w.losses[i] += w.losses[i + stride];
    }
    __syncthreads();
  }
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) corrects[thread] += corrects[thread + half];
  }
  if (thread == 0) {
    const int64_t counted = *w.counted;
    *a.loss = counted > 0 ? w.losses[0] / static_cast<float>(counted) : 0.0f;
    *a.correct = corrects[0];
  }
}

}  // namespace

cudaError_t softmax_cross_entropy(const Stream& stream, const qt_softmax_cross_entropy_args& args) {
  const Workspace w = WorkspaceOf(stream, args.rows);
  cudaError_t status =
      ReduceChannels(stream, CountedReducer{args.labels, args.classes, w.counted}, 1, 1, args.rows);
  if (status == cudaSuccess && args.rows > 0) {
    const int64_t blocks = (args.rows + kRowsPerBlock - 1) / kRowsPerBlock;
    status = math::WithReal(args.element_type, [&](auto* type) {
      using Real = math::Pointed<decltype(type)>;
      return Launch(stream, dim3(static_cast<unsigned>(blocks < 65536 ? blocks : 65536)),
                    args.teacher != nullptr ? RowsKernel<Real, true> : RowsKernel<Real, false>,
                    args, w);
    });
  }
  if (status != cudaSuccess) return status;
  return Launch(stream, dim3(1), LossesKernel, args, w);
}

}  // namespace qt::cuda
