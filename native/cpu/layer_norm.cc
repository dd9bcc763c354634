// layer_norm and layer_norm_backward: a block of rows per task, each row in the nearest cache, its sums
// in 16 lanes of double. The sums of dgamma and dbeta over the rows are double, per block and column,
// and combined pairwise.
#include <string.h>

#include "cpu/points.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {

qt_status layer_norm(qt_context& ctx, const qt_layer_norm_args& args) {
  const qt_layer_norm_args a = args;
  const int64_t n = a.n;
  const bool stream = Streams(8 * a.rows * n) && a.x != a.y;
  ParallelBlocks(ctx, a.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = a.x + row * n;
      const float shift = x[0];
      const auto shifted = [=](int64_t j) { return math::Shifted(x[j], shift); };
      const TwoSums sums = SumFixedTwo(n, shifted, [=](int64_t j) {
        const double d = shifted(j);
        return d * d;
      });
      const math::RowMoments m =
          math::MomentsOfRow(shift, sums.one, sums.two, static_cast<double>(n), a.epsilon);
      if (a.mean != nullptr) a.mean[row] = m.mean;
      if (a.rstd != nullptr) a.rstd[row] = m.rstd;
      MapRow(n, x, a.y + row * n, stream, [=](auto v, int64_t j) {
        using T = decltype(v);
        return math::LayerNorm(v, T(m.mean), T(m.rstd), LoadAs<T>(a.gamma + j),
                               LoadAs<T>(a.beta + j));
      });
    }
  });
  return QT_OK;
}

namespace {

// A row of the gradient.
struct Row {
  const float* x;
  const float* dy;
  float mean, rstd;
};

// The term of dgamma.
inline double GammaTerm(const Row& r, int64_t j) {
  return math::Product(r.dy[j], math::LayerNormXhat(r.x[j], r.mean, r.rstd));
}

}  // namespace

qt_status layer_norm_backward(qt_context& ctx, const qt_layer_norm_backward_args& args) {
  const qt_layer_norm_backward_args a = args;
  const int64_t n = a.n;
  const int64_t rows_per_block = RowsPerBlock(n);
  const int64_t blocks = Max(1, DivUp(a.rows, rows_per_block));
  double* partials = ScratchArray<double>(ctx, blocks * 2 * n);  // [blocks][dgamma, dbeta][n]
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  memset(partials, 0, sizeof(double) * 2 * n);
  const float* gamma = a.gamma;
  const bool stream = Streams(12 * a.rows * n) && a.dx != a.x && a.dx != a.dy;
  const auto row_at = [=](int64_t row) {
    return Row{a.x + row * n, a.dy + row * n, a.mean[row], a.rstd[row]};
  };
  // Called after the sums of dgamma and dbeta have taken the row, which dx may overwrite.
  const auto gradient = [=](int64_t row) {
    const Row r = row_at(row);
    const TwoSums sums = SumFixedTwo(
        n, [=](int64_t j) { return r.dy[j] * gamma[j]; },
        [=](int64_t j) {
          return math::Product(r.dy[j] * gamma[j], math::LayerNormXhat(r.x[j], r.mean, r.rstd));
        });
    const float mean_g = static_cast<float>(sums.one / static_cast<double>(n));
    const float mean_g_x_hat = static_cast<float>(sums.two / static_cast<double>(n));
    MapRow(n, r.x, r.dy, a.dx + row * n, stream, [=](auto x, auto dy, int64_t j) {
      using T = decltype(x);
      const T x_hat = math::LayerNormXhat(x, T(r.mean), T(r.rstd));
      return math::LayerNormGradient(dy * LoadAs<T>(gamma + j), x_hat, T(r.rstd), T(mean_g),
                                     T(mean_g_x_hat));
    });
  };
  ParallelBlocks(ctx, a.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    double* dgamma = partials + block * 2 * n;
    double* dbeta = dgamma + n;
    memset(dgamma, 0, sizeof(double) * 2 * n);
    int64_t row = begin;
    // Two rows at a time, one after the other in each sum, halve the traffic of the sums.
    for (; row + 2 <= end; row += 2) {
      const Row p = row_at(row), q = row_at(row + 1);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        dgamma[j] = dgamma[j] + GammaTerm(p, j) + GammaTerm(q, j);
        dbeta[j] = dbeta[j] + static_cast<double>(p.dy[j]) + static_cast<double>(q.dy[j]);
      }
      gradient(row);
      gradient(row + 1);
    }
    if (row < end) {
      const Row p = row_at(row);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        dgamma[j] += GammaTerm(p, j);
        dbeta[j] += static_cast<double>(p.dy[j]);
      }
      gradient(row);
    }
  });
  CombinePairwise(partials, blocks, 2 * n, [](double one, double two) { return one + two; });
  for (int64_t j = 0; j < n; ++j) {
    a.dgamma[j] = static_cast<float>(partials[j]);
    a.dbeta[j] = static_cast<float>(partials[n + j]);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
