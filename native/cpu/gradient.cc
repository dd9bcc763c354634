// Norm of a gradient, clipping to it, and what in it is not finite. The sum of squares runs in
// kLanes lanes of double per block, lanes and blocks combined pairwise: one order whatever the
// machine.
#include "cpu/points.h"
#include "math/layers.h"
#include "math/optimizer.h"

namespace qt::cpu::QT_ISA {
namespace {

struct Part {
  double squares;
  int64_t nonfinite;
};

constexpr int64_t kLanes = 32;

// Adds the squares of kLanes numbers to as many sums; Add returns how many are not finite.
#if QT_VECTORS
struct Squares {
  Doubles sums[kLanes / Doubles::kSize];

  Squares() {
    for (Doubles& sum : sums) sum = FirstHalf(Vector(0.0f));
  }
  int64_t Add(const float* x) {
    int64_t finite_numbers = 0;
    for (int64_t k = 0; k < kLanes / Vector::kSize; ++k) {
      const Vector all = LoadVector(x + k * Vector::kSize);
      const Truths finite = math::IsFinite(all);
      const Vector v = Choose(finite, all, Vector(0.0f));
      finite_numbers += CountOf(finite);
      const Doubles first = FirstHalf(v), second = SecondHalf(v);
      sums[2 * k] = sums[2 * k] + first * first;
      sums[2 * k + 1] = sums[2 * k + 1] + second * second;
    }
    return kLanes - finite_numbers;
  }
  void Store(double* to) const {
    for (const Doubles& sum : sums) {
      StoreDoubles(sum, to);
      to += Doubles::kSize;
    }
  }
};
#else
struct Squares {
  double sums[kLanes] = {0.0};

  int64_t Add(const float* x) {
    int32_t nonfinite = 0;
#pragma omp simd reduction(+ : nonfinite)
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const bool finite = math::IsFinite(x[lane]);
      const double wide = static_cast<double>(finite ? x[lane] : 0.0f);
      sums[lane] += wide * wide;
      nonfinite += finite ? 0 : 1;
    }
    return nonfinite;
  }
  void Store(double* to) const { memcpy(to, sums, sizeof(sums)); }
};
#endif

Part PartOf(const float* x, int64_t n) {
  Squares squares;
  int64_t nonfinite = 0, i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    FetchAhead(x + i);
    FetchAhead(x + i + 16);
    nonfinite += squares.Add(x + i);
  }
  if (i < n) {
    float last[kLanes] = {0.0f};
    memcpy(last, x + i, sizeof(float) * static_cast<size_t>(n - i));
    nonfinite += squares.Add(last);
  }
  double sums[kLanes];
  squares.Store(sums);
  CombinePairwise(sums, kLanes, 1, [](double a, double b) { return a + b; });
  return {sums[0], nonfinite};
}

int64_t NonfiniteOf(const float* x, int64_t n) {
  int64_t finite = 0, i = 0;
#if QT_VECTORS
  for (; i + 4 * Vector::kSize <= n; i += 4 * Vector::kSize) {
    for (int64_t k = i; k < i + 4 * Vector::kSize; k += Vector::kSize) {
      if ((k - i) % 16 == 0) FetchAhead(x + k);
      finite += CountOf(math::IsFinite(LoadVector(x + k)));
    }
  }
#endif
  for (; i < n; ++i) finite += CountOf(math::IsFinite(x[i]));
  return n - finite;
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
  int64_t* counts = ScratchArray<int64_t>(ctx, Max(1, blocks));
  if (counts == nullptr) return QT_OUT_OF_MEMORY;
  const float* x = args.x;
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    counts[block] = NonfiniteOf(x + begin, end - begin);
  });
  int64_t total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += counts[b];
  *args.count = total;
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
