// layer_norm and layer_norm_backward: a block of rows per task, each row in the nearest cache, its sums
// in 16 lanes of double. The sums of dgamma and dbeta over the rows are double, per block and column,
// and combined pairwise.
#include <string.h>

#include "cpu/kernel.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {

qt_status layer_norm(qt_context& ctx, const qt_layer_norm_args& args) {
  const qt_layer_norm_args a = args;
  const int64_t n = a.n;
  ParallelBlocks(ctx, a.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* x = a.x + row * n;
      float* y = a.y + row * n;
      const float shift = x[0];
      const double sum = SumFixed(n, [=](int64_t j) { return math::Shifted(x[j], shift); });
      const double squares = SumFixed(n, [=](int64_t j) {
        const double d = math::Shifted(x[j], shift);
        return d * d;
      });
      const math::RowMoments m =
          math::MomentsOfRow(shift, sum, squares, static_cast<double>(n), a.epsilon);
      if (a.mean != nullptr) a.mean[row] = m.mean;
      if (a.rstd != nullptr) a.rstd[row] = m.rstd;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        y[j] = math::LayerNorm(x[j], m.mean, m.rstd, a.gamma[j], a.beta[j]);
      }
    }
  });
  return QT_OK;
}

qt_status layer_norm_backward(qt_context& ctx, const qt_layer_norm_backward_args& args) {
  const qt_layer_norm_backward_args a = args;
  const int64_t n = a.n;
  const int64_t rows_per_block = RowsPerBlock(n);
  const int64_t blocks = Max(1, DivUp(a.rows, rows_per_block));
  double* partials = ScratchArray<double>(ctx, blocks * 2 * n);  // [blocks][dgamma, dbeta][n]
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  memset(partials, 0, sizeof(double) * 2 * n);
  ParallelBlocks(ctx, a.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    double* dgamma = partials + block * 2 * n;
    double* dbeta = dgamma + n;
    memset(dgamma, 0, sizeof(double) * 2 * n);
    for (int64_t row = begin; row < end; ++row) {
      const float* x = a.x + row * n;
      const float* dy = a.dy + row * n;
      float* dx = a.dx + row * n;
      const float* gamma = a.gamma;
      const float mean = a.mean[row], rstd = a.rstd[row];
      const double g = SumFixed(n, [=](int64_t j) { return dy[j] * gamma[j]; });
      const double g_x_hat = SumFixed(n, [=](int64_t j) {
        return math::Product(dy[j] * gamma[j], math::LayerNormXhat(x[j], mean, rstd));
      });
      const float mean_g = static_cast<float>(g / static_cast<double>(n));
      const float mean_g_x_hat = static_cast<float>(g_x_hat / static_cast<double>(n));
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        const float x_hat = math::LayerNormXhat(x[j], mean, rstd);
        dgamma[j] += math::Product(dy[j], x_hat);
        dbeta[j] += static_cast<double>(dy[j]);
        dx[j] = math::LayerNormGradient(dy[j] * gamma[j], x_hat, rstd, mean_g, mean_g_x_hat);
      }
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
