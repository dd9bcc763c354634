// softmax_cross_entropy: loss, number of correct rows and gradient in one pass over the logits, a
// block of rows per task. Sums over classes run in kLanes interleaved partial sums combined
// pairwise, whatever the vector length of the machine; row losses are combined pairwise. A logit
// that is NaN or Inf makes its row's loss NaN (Inf - Inf and 0 * Inf do), and with it the mean, so
// that the trainer sees it.
#include <math.h>
#include <string.h>

#include "cpu/kernel.h"
#include "math/elementary.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kLanes = 16;

float SumOfLanes(float* lanes) {
  CombinePairwise(lanes, kLanes, 1, [](float a, float b) { return a + b; });
  return lanes[0];
}

// NaN is skipped here and found by the sum.
float Maximum(const float* x, int64_t n) {
  float max = -HUGE_VALF;
#pragma omp simd reduction(max : max)
  for (int64_t j = 0; j < n; ++j) max = x[j] > max ? x[j] : max;
  return max;
}

// Index of the first maximum; n where the row has none (NaN).
int64_t FirstEqual(const float* x, int64_t n, float value) {
  int64_t j = 0;
  while (j < n && x[j] != value) ++j;
  return j;
}

struct Row {
  float loss;
  int32_t correct;
};

// exps is the row of dlogits or a buffer of `classes` floats.
Row OneRow(const float* logits, int32_t label, int64_t classes, float smoothing, float rows,
           float* exps, bool want_gradient) {
  const float max = Maximum(logits, classes);
  float sums[kLanes] = {0}, shifted_sums[kLanes] = {0};
  const auto step = [&](int64_t j, int64_t lane) {
    const float shifted = logits[j] - max;
    const float e = math::Exp(shifted);
    exps[j] = e;
    sums[lane] += e;
    shifted_sums[lane] += shifted;
  };
  int64_t j = 0;
  for (; j + kLanes <= classes; j += kLanes) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) step(j + lane, lane);
  }
#pragma omp simd
  for (int64_t lane = 0; lane < classes - j; ++lane) step(j + lane, lane);
  const float sum = SumOfLanes(sums);
  const float all = static_cast<float>(classes);
  const float loss = math::CrossEntropy(math::Log(sum), logits[label] - max,
                                        SumOfLanes(shifted_sums), smoothing, all);
  if (want_gradient) {
    const float off = smoothing / all;
    const float label_exp = exps[label];
#pragma omp simd
    for (int64_t k = 0; k < classes; ++k) {
      exps[k] = math::CrossEntropyGradient(exps[k], sum, off, rows);
    }
    exps[label] = math::CrossEntropyGradient(label_exp, sum, off + (1.0f - smoothing), rows);
  }
  const bool correct = loss == loss && FirstEqual(logits, classes, max) == label;
  return {loss, correct ? 1 : 0};
}

}  // namespace

qt_status softmax_cross_entropy(qt_context& ctx, const qt_softmax_cross_entropy_args& args) {
  const int64_t rows = args.rows;
  const int64_t classes = args.classes;
  const int32_t* labels = args.labels;
  int64_t counted = 0;
  for (int64_t r = 0; r < rows; ++r) counted += labels[r] >= 0 ? 1 : 0;
  const int64_t rows_per_block = ItemsPerBlock(classes);
  const int64_t blocks = DivUp(rows, rows_per_block);
  float* losses = ScratchArray<float>(ctx, rows + rows + blocks * classes);
  if (losses == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* corrects = reinterpret_cast<int32_t*>(losses + rows);
  float* buffers = losses + 2 * rows;
  const float* logits = args.logits;
  float* dlogits = args.dlogits;
  const float smoothing = args.smoothing;
  const float count = static_cast<float>(counted);
  ParallelBlocks(ctx, rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* exps = dlogits != nullptr ? dlogits + r * classes : buffers + block * classes;
      Row row = {0.0f, 0};
      if (labels[r] >= 0) {
        row = OneRow(logits + r * classes, labels[r], classes, smoothing, count, exps,
                     dlogits != nullptr);
      } else if (dlogits != nullptr) {
        memset(exps, 0, sizeof(float) * classes);
      }
      losses[r] = row.loss;
      corrects[r] = row.correct;
    }
  });
  int32_t correct = 0;
  for (int64_t r = 0; r < rows; ++r) correct += corrects[r];
  if (rows > 0) CombinePairwise(losses, rows, 1, [](float a, float b) { return a + b; });
  *args.loss = counted > 0 ? losses[0] / count : 0.0f;
  *args.correct = correct;
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
