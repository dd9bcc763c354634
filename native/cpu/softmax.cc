// softmax and its gradient: a block of rows per task, each row in the nearest cache. Sums of a row run
// in 16 lanes of double (SumFixed).
#include "cpu/points.h"
#include "cpu/thread_buffers.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {
namespace {

// Where the exponentials of a row are kept: in the row of y, where that holds floats.
inline float* Exponentials(float* y, float*) { return y; }
inline float* Exponentials(math::Bf16*, float* buffer) { return buffer; }

template <class Real>
qt_status SoftmaxOf(qt_context& ctx, const qt_softmax_args& args) {
  const int64_t n = args.n, buffered = sizeof(Real) < sizeof(float) ? n : 0;
  float* const memory = ScratchArray<float>(ctx, ctx.threads * buffered);
  if (memory == nullptr) return QT_OUT_OF_MEMORY;
  const ThreadBuffers<float> buffers(memory, buffered);
  const Real* x = static_cast<const Real*>(args.x);
  Real* y = static_cast<Real*>(args.y);
  ParallelBlocks(ctx, args.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    float* const buffer = buffers.Own();
    for (int64_t row = begin; row < end; ++row) {
      const Real* from = x + row * n;
      Real* to = y + row * n;
      float* const exps = Exponentials(to, buffer);
      float max = -HUGE_VALF;  // a NaN is skipped here and found by the sum
#pragma omp simd reduction(max : max)
      for (int64_t j = 0; j < n; ++j) {
        const float v = math::Widen(from[j]);
        max = v > max ? v : max;
      }
      const double total =
          SumFixed(n, [=](int64_t j) { return exps[j] = math::Exp(math::Widen(from[j]) - max); });
      const float sum = static_cast<float>(total);
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) math::Narrow(math::Softmax(exps[j], sum), &to[j]);
    }
  });
  return QT_OK;
}

template <class Real>
void SoftmaxBackward(qt_context& ctx, const qt_softmax_backward_args& args) {
  const int64_t n = args.n, bytes = sizeof(Real);
  const Real* y = static_cast<const Real*>(args.y);
  const Real* dy = static_cast<const Real*>(args.dy);
  Real* dx = static_cast<Real*>(args.dx);
  const bool stream = Streams(3 * bytes * args.rows * n) && dx != y && dx != dy;
  ParallelBlocks(ctx, args.rows, ItemsPerBlock(n), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Real* of_y = y + row * n;
      const Real* of_dy = dy + row * n;
      const double total =
          SumFixed(n, [=](int64_t j) { return math::Widen(of_dy[j]) * math::Widen(of_y[j]); });
      const float dot = static_cast<float>(total);
      MapRow(n, of_y, of_dy, dx + row * n, stream, [=](auto v, auto dv, int64_t) {
        return math::SoftmaxGradient(v, dv, decltype(v)(dot));
      });
    }
  });
}

}  // namespace

qt_status softmax(qt_context& ctx, const qt_softmax_args& args) {
  if (args.n == 0) return QT_OK;
  return math::WithReal(args.element_type, [&](auto* type) {
    return SoftmaxOf<math::Pointed<decltype(type)>>(ctx, args);
  });
}

qt_status softmax_backward(qt_context& ctx, const qt_softmax_backward_args& args) {
  if (args.n == 0) return QT_OK;
  math::WithReal(args.element_type, [&](auto* type) {
    SoftmaxBackward<math::Pointed<decltype(type)>>(ctx, args);
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
