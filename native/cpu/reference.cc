// conv2d_codes, gemm_codes and matmul_codes: the plainest loops that can be right, kept
// that way, because faster roads are checked against them. |x - zx| <= 255 and |w| <= 128, so up to
// 65,793 products are exact in int32, and 33,025 of two activations; a longer sum wraps, as it does
// in the units that it stands for. Padding contributes nothing. Parallel over output rows.
#include "cpu/kernel.h"
#include "math/integer.h"
#include "math/window.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class T>
int32_t Dot(const T* x, int32_t zero_point, const int8_t* w, int64_t n) {
  int32_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum = math::AddInt(sum, (x[i] - zero_point) * w[i]);
  return sum;
}

template <class T>
void Conv2d(qt_context& ctx, const qt_conv2d_codes_args& args) {
  const qt_window w = args.window;
  const T* x = static_cast<const T*>(args.x);
  const int32_t zero_point = *args.x_zero_point;
  const int64_t group_in = w.c / args.groups;
  const int64_t group_out = args.k / args.groups;
  // Neighbouring cells are neighbours in x and in w, unless groups or dilation leave gaps between
  // them.
  const int64_t cells = args.groups == 1 && args.dilation_w == 1 ? w.kernel_w : 1;
  const int64_t rows = w.q * args.k == 0 ? 0 : w.n * w.p;
  ParallelBlocks(ctx, rows, 1, [=, &args](int64_t, int64_t row, int64_t) {
    const int64_t image = row / w.p;
    const int64_t p = row % w.p;
    const math::Span rs =
        math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h, args.dilation_h);
    for (int64_t q = 0; q < w.q; ++q) {
      const math::Span ss =
          math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w, args.dilation_w);
      for (int64_t k = 0; k < args.k; ++k) {
        const int64_t first_channel = k / group_out * group_in;
        int32_t sum = 0;
        for (int64_t r = rs.first; r < rs.last; ++r) {
          const int64_t h = p * w.stride_h - w.pad_top + r * args.dilation_h;
          for (int64_t s = ss.first; s < ss.last; s += cells) {
            const int64_t v = q * w.stride_w - w.pad_left + s * args.dilation_w;
            const T* cell = x + ((image * w.h + h) * w.w + v) * w.c + first_channel;
            const int8_t* weights = args.w + ((k * w.kernel_h + r) * w.kernel_w + s) * group_in;
            const int64_t products = Min(cells, ss.last - s) * group_in;
            sum = math::AddInt(sum, Dot(cell, zero_point, weights, products));
          }
        }
        args.acc[(row * w.q + q) * args.k + k] = sum;
      }
    }
  });
}

template <class T>
void Gemm(qt_context& ctx, const qt_gemm_codes_args& args) {
  const T* x = static_cast<const T*>(args.x);
  const int32_t zero_point = *args.x_zero_point;
  const int64_t rows = args.out == 0 ? 0 : args.rows;
  ParallelBlocks(ctx, rows, 1, [=, &args](int64_t, int64_t row, int64_t) {
    for (int64_t o = 0; o < args.out; ++o) {
      args.acc[row * args.out + o] =
          Dot(x + row * args.in, zero_point, args.w + o * args.in, args.in);
    }
  });
}

template <class T>
void Matmul(qt_context& ctx, const qt_matmul_codes_args& args) {
  const T* a = static_cast<const T*>(args.a);
  const int32_t za = *args.a_zero_point;
  const int32_t zb = *args.b_zero_point;
  const int64_t rows = args.out == 0 ? 0 : args.pairs * args.rows;
  ParallelBlocks(ctx, rows, 1, [=, &args](int64_t, int64_t row, int64_t) {
    const T* b = static_cast<const T*>(args.b) + row / args.rows * args.in * args.out;
    int32_t* acc = args.acc + row * args.out;
    for (int64_t o = 0; o < args.out; ++o) acc[o] = 0;
    for (int64_t k = 0; k < args.in; ++k) {
      const int32_t x = a[row * args.in + k] - za;
      for (int64_t o = 0; o < args.out; ++o) {
        acc[o] = math::AddInt(acc[o], x * (b[k * args.out + o] - zb));
      }
    }
  });
}

}  // namespace

qt_status conv2d_codes(qt_context& ctx, const qt_conv2d_codes_args& args) {
  if (args.code_type == QT_U8) {
    Conv2d<uint8_t>(ctx, args);
  } else {
    Conv2d<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status gemm_codes(qt_context& ctx, const qt_gemm_codes_args& args) {
  if (args.code_type == QT_U8) {
    Gemm<uint8_t>(ctx, args);
  } else {
    Gemm<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status matmul_codes(qt_context& ctx, const qt_matmul_codes_args& args) {
  if (args.code_type == QT_U8) {
    Matmul<uint8_t>(ctx, args);
  } else {
    Matmul<int8_t>(ctx, args);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
