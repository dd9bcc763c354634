// Learned step size: LSQ, and LSQ+ with an integer zero-point or a real offset.
#include "cpu/accumulator.h"
#include "cpu/learned.h"

namespace qt::cpu::QT_ISA {
namespace {

// What codes stand for: a, or the sum of a and b.
template <class Code, bool kTwo>
struct RealOfCodes {
  const Code* a;
  const Code* b;
  float a_scale, a_zero_point, b_scale, b_zero_point;

  static constexpr int64_t kLine = 64;
  void Fetch(int64_t i) const {
    FetchAhead(a + i);
    if (kTwo) FetchAhead(b + i);
  }
  template <class T>
  auto At(int64_t i, int64_t) const {
    T y = math::Dequantize(LoadAs<T>(a + i), T(a_scale), T(a_zero_point));
    if (kTwo) y = y + math::Dequantize(LoadAs<T>(b + i), T(b_scale), T(b_zero_point));
    return SpotOf(y, math::Kept(y, y));
  }
  void Finish(int64_t) const {}
};

// Memory of the walk over n elements that are one channel.
int64_t WalkFloats(int64_t n) { return LearnedColumnsScratch<qt_lsq_backward_args>(n, 1, 1); }

// The walk over n elements whose x is computed. bytes: of what that reads, per element.
template <class Args, class Op>
void LsqOfComputed(qt_context& ctx, const Args& a, int64_t n, int64_t bytes,
                   const Computed<Op>& x, float* scratch) {
  const int64_t moved = bytes + static_cast<int64_t>(sizeof(float)) * (a.dx == nullptr ? 1 : 2);
  const RealTensors<float, Computed<Op>> tensors = {x, a.dy, a.dx,
                                                    Streams(moved * n) && a.dx != a.dy};
  const qt_lsq_backward_args lsq = math::LsqOf(a, n);
  if (a.relu != 0) {
    LearnedColumns(ctx, math::LsqOfRelu{lsq, a.upper}, tensors, n, 1, 1, scratch);
  } else {
    LearnedColumns(ctx, lsq, tensors, n, 1, 1, scratch);
  }
}

template <class Code, bool kTwo>
qt_status OfCodes(qt_context& ctx, const qt_lsq_add_backward_args& a) {
  float* const scratch = ScratchArray<float>(ctx, WalkFloats(a.n));
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const RealOfCodes<Code, kTwo> op = {static_cast<const Code*>(a.a),
                                      static_cast<const Code*>(a.b),
                                      *a.a_scale,
                                      static_cast<float>(*a.a_zero_point),
                                      kTwo ? *a.b_scale : 0.0f,
                                      kTwo ? static_cast<float>(*a.b_zero_point) : 0.0f};
  LsqOfComputed(ctx, a, a.n, kTwo ? 2 : 1, Computed<RealOfCodes<Code, kTwo>>{op, 1}, scratch);
  return QT_OK;
}

template <class Code>
qt_status OfCodes(qt_context& ctx, const qt_lsq_add_backward_args& a) {
  return a.b == nullptr ? OfCodes<Code, false>(ctx, a) : OfCodes<Code, true>(ctx, a);
}

}  // namespace

qt_status lsq_qparams(qt_context&, const qt_lsq_qparams_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) math::LsqQparams(a, c);
  return QT_OK;
}

qt_status lsq_backward(qt_context& ctx, const qt_lsq_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

qt_status lsq_acc_backward(qt_context& ctx, const qt_lsq_acc_backward_args& a) {
  const int64_t n = a.rows * a.channels, walk = WalkFloats(n);
  float* const scratch = ScratchArray<float>(ctx, walk + ChannelTableWords(a.channels));
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const ChannelTable table = FillChannelTable(a.channels, a.bias, a.keep, a.out_scale,
                                              reinterpret_cast<int32_t*>(scratch + walk));
  LsqOfComputed(ctx, a, n, sizeof(int32_t),
                Computed<DequantizedAcc>{{a.acc, table}, Max(1, a.channels)}, scratch);
  return QT_OK;
}

qt_status lsq_add_backward(qt_context& ctx, const qt_lsq_add_backward_args& a) {
  return a.code_type == QT_U8 ? OfCodes<uint8_t>(ctx, a) : OfCodes<int8_t>(ctx, a);
}

qt_status lsq_plus(qt_context& ctx, const qt_lsq_plus_args& a) {
  return LearnedKernel(ctx, a, nullptr, a.y);
}

qt_status lsq_plus_backward(qt_context& ctx, const qt_lsq_plus_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
