// Norm of a gradient, clipping to it, and what in it is not finite. The sum of squares runs in kLanes lanes of double per block,
// lanes and blocks combined pairwise: one order whatever the machine.
#include "cpu/kernel.h"
#include "math/layers.h"
#include "math/optimizer.h"

namespace qt::cpu::QT_ISA {
namespace {

struct Part {
  double squares;
  int64_t nonfinite;
};

Part PartOf(const float* x, int64_t n) {
  constexpr int64_t kLanes = 32;
  double sums[kLanes] = {0.0};
  int64_t nonfinite = 0;
  for (int64_t i = 0; i < n; i += kLanes) {
    const float* in = x + i;
    const int64_t count = Min(kLanes, n - i);
    float v[kLanes] = {0.0f};
    int32_t others = 0;
#pragma omp simd reduction(+ : others)
    for (int64_t lane = 0; lane < count; ++lane) {
      const bool finite = math::IsFinite(in[lane]);
      v[lane] = finite ? in[lane] : 0.0f;
      others += finite ? 0 : 1;
    }
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const double wide = static_cast<double>(v[lane]);
      sums[lane] += wide * wide;
    }
    nonfinite += others;
  }
  CombinePairwise(sums, kLanes, 1, [](double a, double b) { return a + b; });
  return {sums[0], nonfinite};
}

}  // namespace

qt_status grad_norm(qt_context& ctx, const qt_grad_norm_args& args) {
  const float* grad = args.grad;
  const int64_t blocks = DivUp(args.n, kBlock);
  Part* parts = ScratchArray<Part>(ctx, Max(1, blocks));
  if (parts == nullptr) return QT_OUT_OF_MEMORY;
  parts[0] = {0.0, 0};
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    parts[block] = PartOf(grad + begin, end - begin);
  });
  CombinePairwise(parts, blocks, 1, [](const Part& a, const Part& b) {
    return Part{a.squares + b.squares, a.nonfinite + b.nonfinite};
  });
  *args.norm = static_cast<float>(sqrt(parts[0].squares));
  *args.nonfinite = parts[0].nonfinite;
  return QT_OK;
}

qt_status clip_grad(qt_context& ctx, const qt_clip_grad_args& args) {
  const bool finite = args.nonfinite == nullptr || *args.nonfinite == 0;
  const float factor = math::ClipFactor(*args.norm, *args.max_norm, finite);
  if (factor == 1.0f) return QT_OK;  // every element stays as it is
  float* grad = args.grad;
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) grad[i] = math::Clipped(grad[i], factor);
  });
  return QT_OK;
}

qt_status count_nonfinite(qt_context& ctx, const qt_count_nonfinite_args& args) {
  const int64_t blocks = DivUp(args.n, kBlock);
  int32_t* counts = ScratchArray<int32_t>(ctx, Max(1, blocks));
  if (counts == nullptr) return QT_OUT_OF_MEMORY;
  const float* x = args.x;
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    int32_t count = 0;
#pragma omp simd reduction(+ : count)
    for (int64_t i = begin; i < end; ++i) count += math::IsFinite(x[i]) ? 0 : 1;
    counts[block] = count;
  });
  int64_t total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += counts[b];
  *args.count = total;
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
