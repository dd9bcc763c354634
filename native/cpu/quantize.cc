// Real numbers to codes of 8 or 16 bits and back, and codes from one grid to another. PerElement, so
// results do not depend on instruction set or threads.
#include "cpu/runs.h"
#include "math/quantize.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class In>
struct Quantized {
  const In* x;
  float qmin, qmax;

  void Fetch(int64_t i) const { FetchAhead<4>(x + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T level = s.Level(LoadAs<T>(x + i), j, z.template At<T>(j));
    const T code = math::Clamp(level, T(qmin), T(qmax));
    return {code, math::Kept(level, code)};
  }
};

template <class In>
struct Requantized {
  const In* codes;
  float scale, zero_point, qmin, qmax;

  void Fetch(int64_t i) const { FetchAhead<4>(codes + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T x = math::Dequantize(LoadAs<T>(codes + i), T(scale), T(zero_point));
    const T level = s.Level(x, j, z.template At<T>(j));
    const T code = math::Clamp(level, T(qmin), T(qmax));
    return {code, math::Kept(level, code)};
  }
};

template <class Code>
struct Dequantized {
  const Code* codes;

  void Fetch(int64_t i) const { FetchAhead<4>(codes + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z& z) const {
    const T code = LoadAs<T>(codes + i);
    return {math::Dequantize(code, s.template At<T>(j), z.template At<T>(j)),
            math::Kept(code, code)};
  }
};

template <class Real, class Code, bool kMask>
qt_status Quantize(qt_context& ctx, const qt_quantize_args& a) {
  const Quantized<Real> op = {static_cast<const Real*>(a.x), static_cast<float>(a.qmin),
                              static_cast<float>(a.qmax)};
  Code* const codes = static_cast<Code*>(a.codes);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(Real) + sizeof(Code));
  return ForEachRun<kMask, true>(ctx, grid, codes, a.mask, bytes, /*in_place=*/false,
                                 PerElement<kMask, Quantized<Real>, Code>{op, codes, a.mask});
}

template <class Code, class Real>
qt_status Dequantize(qt_context& ctx, const qt_dequantize_args& a) {
  const Dequantized<Code> op = {static_cast<const Code*>(a.codes)};
  Real* const y = static_cast<Real*>(a.y);
  const ChannelGrid grid = GridOf(a);
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(Real) + sizeof(Code));
  return ForEachRun<false, false>(ctx, grid, y, nullptr, bytes, /*in_place=*/false,
                                  PerElement<false, Dequantized<Code>, Real>{op, y, nullptr});
}

template <class In, class Out, bool kMask>
qt_status RequantizeCodes(qt_context& ctx, const qt_requantize_codes_args& a) {
  const Requantized<In> op = {static_cast<const In*>(a.codes), *a.scale,
                              static_cast<float>(*a.zero_point), static_cast<float>(a.qmin),
                              static_cast<float>(a.qmax)};
  Out* const codes = static_cast<Out*>(a.out_codes);
  const ChannelGrid grid = {1, 1, a.n, a.out_scale, a.out_zero_point};
  return ForEachRun<kMask, true>(ctx, grid, codes, a.mask, 2 * a.n, /*in_place=*/false,
                                 PerElement<kMask, Requantized<In>, Out>{op, codes, a.mask});
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
