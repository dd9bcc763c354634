// softmax and its gradient: a block of rows per task, each row in the nearest cache. Sums of a row run
// in 16 lanes of double (SumFixed).
#include "cpu/points.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {

qt_status softmax(qt_context& ctx, const qt_softmax_args& args) {
  const int64_t n = args.n;
  const float* x = args.x;
  float* y = args.y;
  if (n == 0) return QT_OK;
  ParallelBlocks(ctx, args.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* from = x + row * n;
      float* to = y + row * n;
      float max = -HUGE_VALF;  // a NaN is skipped here and found by the sum
#pragma omp simd reduction(max : max)
      for (int64_t j = 0; j < n; ++j) max = from[j] > max ? from[j] : max;
      const double total = SumFixed(n, [=](int64_t j) { return to[j] = math::Exp(from[j] - max); });
      const float sum = static_cast<float>(total);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) to[j] = math::Softmax(to[j], sum);
    }
  });
  return QT_OK;
}

qt_status softmax_backward(qt_context& ctx, const qt_softmax_backward_args& args) {
  const int64_t n = args.n;
  const float* y = args.y;
  const float* dy = args.dy;
  float* dx = args.dx;
  if (n == 0) return QT_OK;
  const bool stream = Streams(12 * args.rows * n) && dx != y && dx != dy;
  ParallelBlocks(ctx, args.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* of_y = y + row * n;
      const float* of_dy = dy + row * n;
      const double total = SumFixed(n, [=](int64_t j) { return of_dy[j] * of_y[j]; });
      const float dot = static_cast<float>(total);
      MapRow(n, of_y, of_dy, dx + row * n, stream, [=](auto v, auto dv, int64_t) {
        return math::SoftmaxGradient(v, dv, decltype(v)(dot));
      });
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
