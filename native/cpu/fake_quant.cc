// Quantize, dequantize and the straight-through gradient. One pass over memory; elements go in
// blocks of kBlock to the threads and in chunks of kChunk through the vector loops, with one flag
// byte per element on the stack that is packed into mask bits per chunk. Elementwise, so results do
// not depend on instruction set or threads.
#include <type_traits>

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "math/quantize.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 1024;  // a multiple of 64: chunks share no mask byte

// A per-channel value along a run of elements: the same for all, or one per element.
struct Same {
  float value;
  float operator[](int64_t) const { return value; }
};

struct Each {
  const float* values;
  float operator[](int64_t i) const { return values[i]; }
};

// Calls body(i, n, flags, scale, zero_point) for runs of elements [i, i + n) of a [outer, channels,
// inner] tensor and packs the flags (0 or 1, one byte per element) into mask with kMask. scale null
// is 1, zero_point null is 0.
//   channels = 1        the whole chunk is one run with one scale
//   inner = 1 or small  the whole chunk is one run over a periodic table of scales, entered at its
//   phase otherwise           runs end where a channel ends
template <bool kMask, class Body>
qt_status ForEachRun(qt_context& ctx, int64_t outer, int64_t channels, int64_t inner,
                     const float* scale, const int32_t* zero_point, uint8_t* mask, Body body) {
  const int64_t n = outer * channels * inner;
  if (n == 0) return QT_OK;
  const auto scale_of = [=](int64_t c) { return scale == nullptr ? 1.0f : scale[c]; };
  const auto zero_of = [=](int64_t c) {
    return zero_point == nullptr ? 0.0f : static_cast<float>(zero_point[c]);
  };
  float* table = nullptr;
  // A table pays where it is short and used more than once.
  const int64_t plane = channels * inner, period = plane + Min(kChunk, n);
  const bool tabled = channels > 1 && (inner == 1 || (inner < 256 && plane <= 65536 && outer >= 4));
  if (tabled) {
    table = ScratchArray<float>(ctx, 2 * period);
    if (table == nullptr) return QT_OUT_OF_MEMORY;
    for (int64_t i = 0, c = 0; i < period; c = c + 1 == channels ? 0 : c + 1) {
      for (const int64_t stop = Min(period, i + inner); i < stop; ++i) {
        table[i] = scale_of(c);
        table[period + i] = zero_of(c);
      }
    }
  }
  ParallelBlocks(ctx, n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    uint8_t flags[kChunk];
    for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
      const int64_t stop = Min(end, chunk + kChunk);
      if (channels == 1) {
        body(chunk, stop - chunk, flags, Same{scale_of(0)}, Same{zero_of(0)});
      } else if (tabled) {
        const float* phase = table + chunk % plane;
        body(chunk, stop - chunk, flags, Each{phase}, Each{phase + period});
      } else {
        int64_t c = chunk / inner % channels, left = inner - chunk % inner;
        for (int64_t i = chunk; i < stop;) {
          const int64_t run = Min(left, stop - i);
          body(i, run, flags + (i - chunk), Same{scale_of(c)}, Same{zero_of(c)});
          i += run;
          left = inner;
          c = c + 1 == channels ? 0 : c + 1;
        }
      }
      if (kMask) PackMask(flags, stop - chunk, mask + chunk / 8);
    }
  });
  return QT_OK;
}

// Calls f with a null pointer of the code's C type.
template <class F>
qt_status WithCode(int32_t code_type, F f) {
  return code_type == QT_U8 ? f(static_cast<uint8_t*>(nullptr)) : f(static_cast<int8_t*>(nullptr));
}

template <bool kMask>
qt_status FakeQuant(qt_context& ctx, const qt_fake_quant_args& a) {
  const float* x = a.x;
  float* y = a.y;
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  return ForEachRun<kMask>(ctx, a.outer, a.channels, a.inner, a.scale, a.zero_point, a.mask,
                           [=](int64_t begin, int64_t n, uint8_t* flags, auto s, auto z) {
                             const float* in = x + begin;
                             float* out = y + begin;
#pragma omp simd
                             for (int64_t i = 0; i < n; ++i) {
                               const float level = math::Level(in[i], s[i], z[i]);
                               if (kMask) flags[i] = math::InRange(level, qmin, qmax) ? 1 : 0;
                               out[i] =
                                   math::Dequantize(math::Clamp(level, qmin, qmax), s[i], z[i]);
                             }
                           });
}

template <class Code, bool kMask>
qt_status Quantize(qt_context& ctx, const qt_quantize_args& a) {
  const float* x = a.x;
  Code* codes = static_cast<Code*>(a.codes);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  return ForEachRun<kMask>(
      ctx, a.outer, a.channels, a.inner, a.scale, a.zero_point, a.mask,
      [=](int64_t begin, int64_t n, uint8_t* flags, auto s, auto z) {
        const float* in = x + begin;
        Code* out = codes + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const float level = math::Level(in[i], s[i], z[i]);
          if (kMask) flags[i] = math::InRange(level, qmin, qmax) ? 1 : 0;
          out[i] = static_cast<Code>(static_cast<int32_t>(math::Clamp(level, qmin, qmax)));
        }
      });
}

template <class In, class Out, bool kMask>
qt_status RequantizeCodes(qt_context& ctx, const qt_requantize_codes_args& a) {
  const In* codes = static_cast<const In*>(a.codes);
  Out* out_codes = static_cast<Out*>(a.out_codes);
  const float scale = *a.scale, zero_point = static_cast<float>(*a.zero_point);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  return ForEachRun<kMask>(
      ctx, 1, 1, a.n, a.out_scale, a.out_zero_point, a.mask,
      [=](int64_t begin, int64_t n, uint8_t* flags, auto s, auto z) {
        const In* in = codes + begin;
        Out* out = out_codes + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const float x = math::Dequantize(static_cast<float>(in[i]), scale, zero_point);
          const float level = math::Level(x, s[i], z[i]);
          if (kMask) flags[i] = math::InRange(level, qmin, qmax) ? 1 : 0;
          out[i] = static_cast<Out>(static_cast<int32_t>(math::Clamp(level, qmin, qmax)));
        }
      });
}

}  // namespace

qt_status fake_quant(qt_context& ctx, const qt_fake_quant_args& a) {
  return a.mask == nullptr ? FakeQuant<false>(ctx, a) : FakeQuant<true>(ctx, a);
}

qt_status quantize(qt_context& ctx, const qt_quantize_args& a) {
  return WithCode(a.code_type, [&](auto* type) {
    using Code = std::remove_pointer_t<decltype(type)>;
    return a.mask == nullptr ? Quantize<Code, false>(ctx, a) : Quantize<Code, true>(ctx, a);
  });
}

qt_status dequantize(qt_context& ctx, const qt_dequantize_args& a) {
  return WithCode(a.code_type, [&](auto* type) {
    using Code = std::remove_pointer_t<decltype(type)>;
    const Code* codes = static_cast<const Code*>(a.codes);
    float* y = a.y;
    return ForEachRun<false>(ctx, a.outer, a.channels, a.inner, a.scale, a.zero_point, nullptr,
                             [=](int64_t begin, int64_t n, uint8_t*, auto s, auto z) {
                               const Code* in = codes + begin;
                               float* out = y + begin;
#pragma omp simd
                               for (int64_t i = 0; i < n; ++i) {
                                 out[i] = math::Dequantize(static_cast<float>(in[i]), s[i], z[i]);
                               }
                             });
  });
}

qt_status requantize_codes(qt_context& ctx, const qt_requantize_codes_args& a) {
  return WithCode(a.code_type, [&](auto* in) {
    return WithCode(a.out_code_type, [&](auto* out) {
      using In = std::remove_pointer_t<decltype(in)>;
      using Out = std::remove_pointer_t<decltype(out)>;
      return a.mask == nullptr ? RequantizeCodes<In, Out, false>(ctx, a)
                               : RequantizeCodes<In, Out, true>(ctx, a);
    });
  });
}

qt_status ste_backward(qt_context& ctx, const qt_ste_backward_args& a) {
  const float* dy = a.dy;
  const uint8_t* mask = a.mask;
  float* dx = a.dx;
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    MaskSelect(dy + begin, mask + begin / 8, end - begin, dx + begin);
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
