// softmax_cross_entropy: loss, number of correct rows and gradient in one pass over the logits, a
// block of rows per task. Sums over classes run in kClassLanes interleaved partial sums combined
// pairwise, whatever the vector length of the machine; row losses are combined pairwise. A logit
// that is NaN or Inf makes its row's loss NaN (Inf - Inf and 0 * Inf do), and with it the mean, so
// that the trainer sees it.
#include <math.h>
#include <string.h>

#include "cpu/kernel.h"
#include "cpu/thread_buffers.h"
#include "math/elementary.h"
#include "math/loss.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// sums[k] of the kSums terms that term(j, terms) gives for class j, in the order of kClassLanes.
template <int kSums, class Term>
void SumClasses(int64_t classes, float* sums, Term term) {
  constexpr int64_t kLanes = math::kClassLanes;
  float lanes[kSums][kLanes] = {};
  const auto step = [&](int64_t j, int64_t lane) {
    float terms[kSums];
    term(j, terms);
    for (int k = 0; k < kSums; ++k) lanes[k][lane] += terms[k];
  };
  int64_t j = 0;
  for (; j + kLanes <= classes; j += kLanes) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) step(j + lane, lane);
  }
#pragma omp simd
  for (int64_t lane = 0; lane < classes - j; ++lane) step(j + lane, lane);
  for (int k = 0; k < kSums; ++k) {
    CombinePairwise(lanes[k], kLanes, 1, [](float a, float b) { return a + b; });
    sums[k] = lanes[k][0];
  }
}

// NaN is skipped here and found by the sum.
template <class Real>
float Maximum(const Real* x, int64_t n) {
  float max = -HUGE_VALF;
#pragma omp simd reduction(max : max)
  for (int64_t j = 0; j < n; ++j) {
    const float v = math::Widen(x[j]);
    max = v > max ? v : max;
  }
  return max;
}

// Index of the first maximum; n where the row has none (NaN).
template <class Real>
int64_t FirstEqual(const Real* x, int64_t n, float value) {
  int64_t j = 0;
  while (j < n && math::Widen(x[j]) != value) ++j;
  return j;
}

struct Row {
  float loss;
  int32_t correct;
};

struct Options {
  int64_t classes;
  float smoothing, temperature, soft_weight, rows;
};

// exps holds `classes` floats, the gradient afterwards.
template <class Real>
Row HardRow(const Real* logits, float max, int32_t label, const Options& o, float* exps,
            bool want_gradient) {
  float sums[2];  // of exp(shifted) and shifted
  SumClasses<2>(o.classes, sums, [=](int64_t j, float* terms) {
    const float shifted = math::Widen(logits[j]) - max;
    const float e = math::Exp(shifted);
    exps[j] = e;
    terms[0] = e;
    terms[1] = shifted;
  });
  const float sum = sums[0], rows = o.rows;
  const float all = static_cast<float>(o.classes);
  const float loss = math::CrossEntropy(math::Log(sum), math::Widen(logits[label]) - max, sums[1],
                                        o.smoothing, all);
  if (want_gradient) {
    const float off = o.smoothing / all;
    const float label_exp = exps[label];
#pragma omp simd
    for (int64_t k = 0; k < o.classes; ++k) {
      exps[k] = math::CrossEntropyGradient(exps[k], sum, off, rows);
    }
    exps[label] = math::CrossEntropyGradient(label_exp, sum, off + (1.0f - o.smoothing), rows);
  }
  const bool correct = loss == loss && FirstEqual(logits, o.classes, max) == label;
  return {loss, correct ? 1 : 0};
}

// Returns the soft loss; gradient (or null) holds the hard one and gets both.
template <class Real>
float SoftRow(const Real* logits, const Real* teacher, float max, const Options& o,
              float* gradient) {
  const float teacher_max = Maximum(teacher, o.classes), t = o.temperature;
  const auto shifted_at = [=](int64_t j) { return (math::Widen(logits[j]) - max) / t; };
  const auto teacher_at = [=](int64_t j) { return (math::Widen(teacher[j]) - teacher_max) / t; };
  float sums[4];  // of exp(shifted), the teacher's, their cross term, and both shifted
  SumClasses<4>(o.classes, sums, [=](int64_t j, float* terms) {
    const float shifted = shifted_at(j), teacher_shifted = teacher_at(j);
    const float e = math::Exp(teacher_shifted);
    terms[0] = math::Exp(shifted);
    terms[1] = e;
    terms[2] = e * shifted;
    terms[3] = shifted + teacher_shifted;
  });
  if (gradient != nullptr) {
    const float sum = sums[0], teacher_sum = sums[1], weight = o.soft_weight, rows = o.rows;
#pragma omp simd
    for (int64_t j = 0; j < o.classes; ++j) {
      const float p = math::Exp(shifted_at(j)) / sum;
      const float target = math::Exp(teacher_at(j)) / teacher_sum;
      gradient[j] = math::DistilledGradient(gradient[j], p, target, t, weight, rows);
    }
  }
  return math::SoftCrossEntropy(math::Log(sums[0]), sums[2], sums[1], sums[3]);
}

// The gradient of a row is formed in float32: in place, or in a buffer from which it is narrowed.
float* Working(float* row, float*) { return row; }
float* Working(math::Bf16*, float* buffer) { return buffer; }

void StoreRow(const float*, int64_t, float*) {}
void StoreRow(const float* from, int64_t n, math::Bf16* row) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) math::Narrow(from[j], &row[j]);
}

template <class Real>
qt_status CrossEntropy(qt_context& ctx, const qt_softmax_cross_entropy_args& args) {
  const int64_t rows = args.rows;
  const int64_t classes = args.classes;
  const int32_t* labels = args.labels;
  int64_t counted = 0;
  for (int64_t r = 0; r < rows; ++r) counted += labels[r] >= 0 ? 1 : 0;
  float* losses = ScratchArray<float>(ctx, rows + rows + ctx.threads * classes);
  if (losses == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* corrects = reinterpret_cast<int32_t*>(losses + rows);
  const ThreadBuffers<float> buffers(losses + 2 * rows, classes);
  const Real* const logits = static_cast<const Real*>(args.logits);
  Real* const dlogits = static_cast<Real*>(args.dlogits);
  const Real* const teacher = static_cast<const Real*>(args.teacher);
  const float count = static_cast<float>(counted);
  const Options o = {classes, args.smoothing, args.temperature, args.soft_weight, count};
  ParallelBlocks(ctx, rows, ItemsPerBlock(classes), [=](int64_t, int64_t begin, int64_t end) {
    float* const buffer = buffers.Own();
    for (int64_t r = begin; r < end; ++r) {
      Real* const gradient = dlogits != nullptr ? dlogits + r * classes : nullptr;
      float* const exps = gradient != nullptr ? Working(gradient, buffer) : buffer;
      Row row = {0.0f, 0};
      if (labels[r] >= 0) {
        const Real* row_logits = logits + r * classes;
        const float max = Maximum(row_logits, classes);
        row = HardRow(row_logits, max, labels[r], o, exps, gradient != nullptr);
        if (teacher != nullptr) {
          const float soft = SoftRow(row_logits, teacher + r * classes, max, o,
                                     gradient != nullptr ? exps : nullptr);
          row.loss = math::DistilledLoss(row.loss, soft, o.temperature, o.soft_weight);
        }
        if (gradient != nullptr) StoreRow(exps, classes, gradient);
      } else if (gradient != nullptr) {
        memset(gradient, 0, sizeof(Real) * classes);
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

}  // namespace

qt_status softmax_cross_entropy(qt_context& ctx, const qt_softmax_cross_entropy_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return CrossEntropy<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
