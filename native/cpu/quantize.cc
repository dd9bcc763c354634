// Real numbers to codes of 8 or 16 bits and back, and codes from one grid to another. Elementwise, so
// results do not depend on instruction set or threads.
#include "cpu/runs.h"
#include "math/quantize.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class Real, class Code, bool kMask>
qt_status Quantize(qt_context& ctx, const qt_quantize_args& a) {
  const Real* x = static_cast<const Real*>(a.x);
  Code* codes = static_cast<Code*>(a.codes);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(Real) + sizeof(Code));
  return ForEachRun<kMask, true>(
      ctx, grid, codes, a.mask, bytes, /*in_place=*/false,
      [=](int64_t begin, int64_t n, Code* to, int32_t* flags, auto s, auto z) {
        const Real* in = x + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const float level = s.Level(math::Widen(in[i]), i, z[i]);
          const float code = math::Clamp(level, qmin, qmax);
          if (kMask) flags[i] = -static_cast<int32_t>(math::Kept(level, code));
          math::StoreCode(code, &to[i]);
        }
      });
}

template <class Code, class Real>
qt_status Dequantize(qt_context& ctx, const qt_dequantize_args& a) {
  const Code* codes = static_cast<const Code*>(a.codes);
  Real* y = static_cast<Real*>(a.y);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(Real) + sizeof(Code));
  return ForEachRun<false, false>(ctx, grid, y, nullptr, bytes, /*in_place=*/false,
                           [=](int64_t begin, int64_t n, Real* to, int32_t*, auto s, auto z) {
                             const Code* in = codes + begin;
#pragma omp simd
                             for (int64_t i = 0; i < n; ++i) {
                               math::Narrow(math::Dequantize(math::Widen(in[i]), s[i], z[i]),
                                            &to[i]);
                             }
                           });
}

template <class In, class Out, bool kMask>
qt_status RequantizeCodes(qt_context& ctx, const qt_requantize_codes_args& a) {
  const In* codes = static_cast<const In*>(a.codes);
  const float scale = *a.scale, zero_point = static_cast<float>(*a.zero_point);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  return ForEachRun<kMask, true>(
      ctx, {1, 1, a.n, a.out_scale, a.out_zero_point}, static_cast<Out*>(a.out_codes), a.mask,
      2 * a.n, /*in_place=*/false,
      [=](int64_t begin, int64_t n, Out* to, int32_t* flags, auto s, auto z) {
        const In* in = codes + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const float x = math::Dequantize(math::Widen(in[i]), scale, zero_point);
          const float level = s.Level(x, i, z[i]);
          const float code = math::Clamp(level, qmin, qmax);
          if (kMask) flags[i] = -static_cast<int32_t>(math::Kept(level, code));
          math::StoreCode(code, &to[i]);
        }
      });
}

}  // namespace

qt_status quantize(qt_context& ctx, const qt_quantize_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    return math::WithCode(a.code_type, [&](auto* type) {
      using Real = math::Pointed<decltype(real)>;
      using Code = math::Pointed<decltype(type)>;
      return a.mask == nullptr ? Quantize<Real, Code, false>(ctx, a)
                               : Quantize<Real, Code, true>(ctx, a);
    });
  });
}

qt_status dequantize(qt_context& ctx, const qt_dequantize_args& a) {
  return math::WithReal(a.element_type, [&](auto* real) {
    return math::WithCode(a.code_type, [&](auto* type) {
      return Dequantize<math::Pointed<decltype(type)>, math::Pointed<decltype(real)>>(ctx, a);
    });
  });
}

qt_status requantize_codes(qt_context& ctx, const qt_requantize_codes_args& a) {
  return math::WithCode8(a.code_type, [&](auto* in) {
    return math::WithCode8(a.out_code_type, [&](auto* out) {
      using In = math::Pointed<decltype(in)>;
      using Out = math::Pointed<decltype(out)>;
      return a.mask == nullptr ? RequantizeCodes<In, Out, false>(ctx, a)
                               : RequantizeCodes<In, Out, true>(ctx, a);
    });
  });
}

}  // namespace qt::cpu::QT_ISA
