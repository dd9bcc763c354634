// Stochastic rounding, to codes and back to real numbers: draws of a run go through a buffer that
// stays in the first cache, everything else as in quantize.cc.
#include "cpu/draws.h"
#include "cpu/runs.h"
#include "math/quantize.h"
#include "math/stochastic.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class In, bool kMask, class Out, class Args, class Store>
qt_status Round(qt_context& ctx, const Args& a, Out* out, bool in_place, Store store) {
  const In* x = static_cast<const In*>(a.x);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const math::Draws draws = math::DrawsOf(a.draws);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(In) + sizeof(Out));
  return ForEachRun<kMask, false>(
      ctx, grid, out, a.mask, bytes, in_place,
      [=](int64_t begin, int64_t n, Out* to, int32_t* flags, auto s, auto z) {
        UnitDraws<kChunk> buffer;
        const float* u = buffer.Fill(draws, begin, n);
        const In* in = x + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const float level = math::StochasticRound(math::Widen(in[i]) / s[i], u[i]) + z[i];
          if (kMask) flags[i] = math::InRange(level, qmin, qmax) ? -1 : 0;
          store(math::Clamp(level, qmin, qmax), s[i], z[i], to + i);
        }
      });
}

template <class In, class Out, class Args, class Store>
qt_status Round(qt_context& ctx, const Args& a, Out* out, bool in_place, Store store) {
  return a.mask == nullptr ? Round<In, false>(ctx, a, out, in_place, store)
                           : Round<In, true>(ctx, a, out, in_place, store);
}

}  // namespace

qt_status stochastic_quantize(qt_context& ctx, const qt_stochastic_quantize_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    return math::WithCode8(a.code_type, [&](auto* code) {
      using In = math::Pointed<decltype(real)>;
      using Out = math::Pointed<decltype(code)>;
      return Round<In>(ctx, a, static_cast<Out*>(a.codes), /*in_place=*/false,
                       [](float q, float, float, Out* to) {
                         *to = static_cast<Out>(static_cast<int32_t>(q));
                       });
    });
  });
}

qt_status stochastic_fake_quant(qt_context& ctx, const qt_stochastic_fake_quant_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    using T = math::Pointed<decltype(real)>;
    return Round<T>(ctx, a, static_cast<T*>(a.y), a.x == a.y,
                    [](float q, float s, float z, T* to) {
                      math::Narrow(math::Dequantize(q, s, z), to);
                    });
  });
}

}  // namespace qt::cpu::QT_ISA
