// layer_norm and layer_norm_backward: a block of rows per task, each row in the nearest cache, its sums
// in 16 lanes of double. The sums of dgamma and dbeta over the rows are double, per block and column,
// and combined pairwise.
#include <string.h>

#include "cpu/points.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Real>
void LayerNorm(qt_context& ctx, const qt_layer_norm_args& args) {
  const qt_layer_norm_args a = args;
  const int64_t n = a.n, bytes = sizeof(Real);
  const bool stream = Streams(2 * bytes * a.rows * n) && a.x != a.y;
  ParallelBlocks(ctx, a.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Real* x = static_cast<const Real*>(a.x) + row * n;
      const float shift = math::Widen(x[0]);
      const auto shifted = [=](int64_t j) { return math::Shifted(math::Widen(x[j]), shift); };
      const TwoSums sums = SumFixedTwo(n, shifted, [=](int64_t j) {
        const double d = shifted(j);
        return d * d;
      });
      const math::RowMoments m =
          math::MomentsOfRow(shift, sums.one, sums.two, static_cast<double>(n), a.epsilon);
      if (a.mean != nullptr) a.mean[row] = m.mean;
      if (a.rstd != nullptr) a.rstd[row] = m.rstd;
      MapRow(n, x, static_cast<Real*>(a.y) + row * n, stream, [=](auto v, int64_t j) {
        using T = decltype(v);
        return math::LayerNorm(v, T(m.mean), T(m.rstd), LoadAs<T>(a.gamma + j),
                               LoadAs<T>(a.beta + j));
      });
    }
  });
}

// A row of the gradient.
template <class Real>
struct Row {
  const Real* x;
  const Real* dy;
  float mean, rstd;

  float X(int64_t j) const { return math::Widen(x[j]); }
  float Dy(int64_t j) const { return math::Widen(dy[j]); }
  float XHat(int64_t j) const { return math::LayerNormXhat(X(j), mean, rstd); }
  double GammaTerm(int64_t j) const { return math::Product(Dy(j), XHat(j)); }
  double BetaTerm(int64_t j) const { return static_cast<double>(Dy(j)); }
};

template <class Real>
qt_status Backward(qt_context& ctx, const qt_layer_norm_backward_args& args) {
  const qt_layer_norm_backward_args a = args;
  const int64_t n = a.n, bytes = sizeof(Real);
  const int64_t rows_per_block = RowsPerBlock(n);
  const int64_t blocks = Max(1, DivUp(a.rows, rows_per_block));
  double* partials = ScratchArray<double>(ctx, blocks * 2 * n);  // [blocks][dgamma, dbeta][n]
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  memset(partials, 0, sizeof(double) * 2 * n);
  const float* gamma = a.gamma;
  const Real* const x = static_cast<const Real*>(a.x);
  const Real* const dy = static_cast<const Real*>(a.dy);
  Real* const dx = static_cast<Real*>(a.dx);
  const bool stream = Streams(3 * bytes * a.rows * n) && dx != x && dx != dy;
  const auto row_at = [=](int64_t row) {
    return Row<Real>{x + row * n, dy + row * n, a.mean[row], a.rstd[row]};
  };
  // Called after the sums of dgamma and dbeta have taken the row, which dx may overwrite.
  const auto gradient = [=](int64_t row) {
    const Row<Real> r = row_at(row);
    const TwoSums sums = SumFixedTwo(
        n, [=](int64_t j) { return r.Dy(j) * gamma[j]; },
        [=](int64_t j) { return math::Product(r.Dy(j) * gamma[j], r.XHat(j)); });
    const float mean_g = static_cast<float>(sums.one / static_cast<double>(n));
    const float mean_g_x_hat = static_cast<float>(sums.two / static_cast<double>(n));
    MapRow(n, r.x, r.dy, dx + row * n, stream, [=](auto v, auto dv, int64_t j) {
      using T = decltype(v);
      const T x_hat = math::LayerNormXhat(v, T(r.mean), T(r.rstd));
      return math::LayerNormGradient(dv * LoadAs<T>(gamma + j), x_hat, T(r.rstd), T(mean_g),
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
      const Row<Real> p = row_at(row), q = row_at(row + 1);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        dgamma[j] = dgamma[j] + p.GammaTerm(j) + q.GammaTerm(j);
        dbeta[j] = dbeta[j] + p.BetaTerm(j) + q.BetaTerm(j);
      }
      gradient(row);
      gradient(row + 1);
    }
    if (row < end) {
      const Row<Real> p = row_at(row);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        dgamma[j] += p.GammaTerm(j);
        dbeta[j] += p.BetaTerm(j);
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

}  // namespace

qt_status layer_norm(qt_context& ctx, const qt_layer_norm_args& args) {
  math::WithReal(args.element_type,
                 [&](auto* type) { LayerNorm<math::Pointed<decltype(type)>>(ctx, args); });
  return QT_OK;
}

qt_status layer_norm_backward(qt_context& ctx, const qt_layer_norm_backward_args& args) {
  return math::WithReal(args.element_type, [&](auto* type) {
    return Backward<math::Pointed<decltype(type)>>(ctx, args);
  });
}

}  // namespace qt::cpu::QT_ISA
