// Real numbers to codes of 8 or 16 bits and back, codes from one grid to another, real numbers from
// one type to another. Elementwise, so results do not depend on instruction set or threads.
#include "cpu/channels.h"
#include "cpu/code_map.h"
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

template <class In, bool kFactor>
struct Scaled {
  const In* x;

  void Fetch(int64_t i) const { FetchAhead<4>(x + i); }
  template <class T, class S, class Z>
  Point<T> At(int64_t i, int64_t j, const S& s, const Z&) const {
    T y = LoadAs<T>(x + i);
    if (kFactor) y = y * s.template At<T>(j);
    return {y, math::Kept(y, y)};
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

template <class In, class Out, bool kFactor>
qt_status ScaleChannels(qt_context& ctx, const qt_scale_channels_args& a) {
  const Scaled<In, kFactor> op = {static_cast<const In*>(a.x)};
  Out* const y = static_cast<Out*>(a.y);
  const int64_t n = a.outer * a.channels * a.inner;
  const ChannelGrid grid = kFactor
                               ? ChannelGrid{a.outer, a.channels, a.inner, a.factor, nullptr}
                               : ChannelGrid{1, 1, n, nullptr, nullptr};
  const int64_t bytes = grid.elements() * static_cast<int64_t>(sizeof(In) + sizeof(Out));
  return ForEachRun<false, false>(ctx, grid, y, nullptr, bytes, /*in_place=*/a.x == a.y,
                                  PerElement<false, Scaled<In, kFactor>, Out>{op, y, nullptr});
}

void RequantizeCodes(qt_context& ctx, const qt_requantize_codes_args& a, const CodeMap& map) {
  const uint8_t* const codes = static_cast<const uint8_t*>(a.codes);
  uint8_t* const out = static_cast<uint8_t*>(a.out_codes);
  uint8_t* const mask = a.mask;
  const bool stream = Streams(2 * a.n);
  ParallelBlocks(ctx, a.n, kBlock, [=, &map](int64_t, int64_t begin, int64_t end) {
    ChunkOut<uint8_t, kChunk> chunks(stream);
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t n = Min(end - chunk, kChunk);
      Prefetch(codes + chunk + kAhead, kChunk);
      if (mask != nullptr) PackKept(map, codes + chunk, n, mask + chunk / 8);
      Lookup(map.codes, codes + chunk, n, chunks.At(out + chunk));
      chunks.Done(out + chunk, n);
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

qt_status scale_channels(qt_context& ctx, const qt_scale_channels_args& a) {
  return math::WithReal(a.element_type, [&](auto* in) {
    return math::WithReal(a.y_type, [&](auto* out) {
      using In = math::Pointed<decltype(in)>;
      using Out = math::Pointed<decltype(out)>;
      return a.factor == nullptr ? ScaleChannels<In, Out, false>(ctx, a)
                                 : ScaleChannels<In, Out, true>(ctx, a);
    });
  });
}

qt_status requantize_codes(qt_context& ctx, const qt_requantize_codes_args& a) {
  const CodeGrid from = {*a.scale, static_cast<float>(*a.zero_point)};
  const CodeGrid to = {*a.out_scale, static_cast<float>(*a.out_zero_point)};
  math::WithCode8(a.code_type, [&](auto* in) {
    math::WithCode8(a.out_code_type, [&](auto* out) {
      RequantizeCodes(ctx, a,
                      MakeCodeMap<math::Pointed<decltype(in)>, math::Pointed<decltype(out)>>(
                          from, to, a.qmin, a.qmax));
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
