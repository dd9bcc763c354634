// Fake quantization and the straight-through gradient, masked or with the mask made again from x.
// PerElement, so results do not depend on instruction set or threads.
#include "cpu/runs.h"
#include "math/quantize.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Real>
struct FakeQuantized {
  const Real* x;
  float qmin, qmax;

  void Fetch(int64_t i) const { FetchAhead<4>(x + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T zero_point = z.template At<T>(j);
    const T level = s.Level(LoadAs<T>(x + i), j, zero_point);
    const T code = math::Clamp(level, T(qmin), T(qmax));
    return {math::Dequantize(code, s.template At<T>(j), zero_point), math::Kept(level, code)};
  }
};

// dy where x is in range.
template <class Real>
struct Passed {
  const Real* x;
  const Real* dy;
  float qmin, qmax;

  void Fetch(int64_t i) const {
    FetchAhead<4>(x + i);
    FetchAhead<4>(dy + i);
  }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T level = s.Level(LoadAs<T>(x + i), j, z.template At<T>(j));
    const auto kept = math::Kept(level, math::Clamp(level, T(qmin), T(qmax)));
    using math::Where;
    return {Where(kept, LoadAs<T>(dy + i)), kept};
  }
};

template <class Real, bool kMask>
qt_status FakeQuant(qt_context& ctx, const qt_fake_quant_args& a) {
  const FakeQuantized<Real> op = {static_cast<const Real*>(a.x), static_cast<float>(a.qmin),
                                  static_cast<float>(a.qmax)};
  Real* const y = static_cast<Real*>(a.y);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * 2 * static_cast<int64_t>(sizeof(Real));
  return ForEachRun<kMask, true>(ctx, grid, y, a.mask, bytes, a.x == a.y,
                                 PerElement<kMask, FakeQuantized<Real>, Real>{op, y, a.mask});
}

template <class Real>
qt_status FakeQuantBackward(qt_context& ctx, const qt_fake_quant_backward_args& a) {
  const Passed<Real> op = {static_cast<const Real*>(a.x), static_cast<const Real*>(a.dy),
                           static_cast<float>(a.qmin), static_cast<float>(a.qmax)};
  Real* const dx = static_cast<Real*>(a.dx);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * 3 * static_cast<int64_t>(sizeof(Real));
  return ForEachRun<false, true>(ctx, grid, dx, nullptr, bytes, a.dx == a.dy || a.dx == a.x,
                                 PerElement<false, Passed<Real>, Real>{op, dx, nullptr});
}

template <class Real>
qt_status SteBackward(qt_context& ctx, const qt_ste_backward_args& a) {
  const Real* dy = static_cast<const Real*>(a.dy);
  const uint8_t* mask = a.mask;
  Real* dx = static_cast<Real*>(a.dx);
  if (mask == nullptr && dx == dy) return QT_OK;
  const bool stream = Streams(a.n * 2 * static_cast<int64_t>(sizeof(Real))) && dx != dy;
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    ChunkOut<Real, kChunk> chunks(stream);
    for (int64_t i = begin; i < end; i += kChunk) {
      const int64_t n = Min(end - i, kChunk);
      if (mask != nullptr) {
        MaskSelect(dy + i, mask + i / 8, n, chunks.At(dx + i));
        chunks.Done(dx + i, n);
      } else if (stream) {
        StreamCopy(dy + i, dx + i, n * static_cast<int64_t>(sizeof(Real)));
      } else {
        memcpy(dx + i, dy + i, static_cast<size_t>(n) * sizeof(Real));
      }
    }
  });
  return QT_OK;
}

}  // namespace

qt_status fake_quant(qt_context& ctx, const qt_fake_quant_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    return a.mask == nullptr ? FakeQuant<Real, false>(ctx, a) : FakeQuant<Real, true>(ctx, a);
  });
}

qt_status fake_quant_backward(qt_context& ctx, const qt_fake_quant_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return FakeQuantBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status ste_backward(qt_context& ctx, const qt_ste_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return SteBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
