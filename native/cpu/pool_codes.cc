// global_pool_sum and average_pool_codes, walked as cpu/pool.h says.
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/pool.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {
namespace {

template <class T>
void GlobalPoolSum(qt_context& ctx, const qt_global_pool_sum_args& args) {
  const T* x = static_cast<const T*>(args.x);
  int32_t* acc = args.acc;
  const int64_t pixels = args.hw;
  const int64_t channels = args.c;
  const int32_t offset = static_cast<int32_t>(pixels) * *args.zero_point;
  const int64_t images_per_block = ItemsPerBlock(pixels * channels);
  ParallelBlocks(ctx, args.n, images_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      ForGroups(channels, [&](auto group, int64_t c0) {
        constexpr int64_t kSize = decltype(group)::kSize;
        int32_t sums[kSize] = {0};
        const T* pixel = x + image * pixels * channels + c0;
        for (int64_t i = 0; i < pixels; ++i, pixel += channels) {
#pragma omp simd
          for (int64_t c = 0; c < kSize; ++c) sums[c] += pixel[c];
        }
        int32_t* to = acc + image * channels + c0;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) to[c] = sums[c] - offset;
      });
    }
  });
}

template <class T>
qt_status AveragePoolCodes(qt_context& ctx, const qt_average_pool_codes_args& args) {
  const qt_window w = args.window;
  const int64_t elements = w.n * w.p * w.q * w.c;
  // Rows whose size is no multiple of 8 share mask bytes, so the flags are packed after the
  // pooling.
  uint8_t* flags = ScratchArray<uint8_t>(ctx, elements);
  if (flags == nullptr) return QT_OUT_OF_MEMORY;
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  const float x_scale = *args.x_scale, x_zero_point = static_cast<float>(*args.x_zero_point);
  const float y_scale = *args.y_scale, y_zero_point = static_cast<float>(*args.y_zero_point);
  const float qmin = static_cast<float>(args.qmin), qmax = static_cast<float>(args.qmax);
  ForOutputs(ctx, w, args.count_padding != 0, [=](const Cells& cells) {
    ForGroups(w.c, [&](auto group, int64_t c0) {
      constexpr int64_t kSize = decltype(group)::kSize;
      float sums[kSize] = {0};
      ForCells(w, cells, [&](int64_t offset, int64_t) {
        const T* from = x + offset + c0;
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) {
          sums[c] += math::Dequantize(static_cast<float>(from[c]), x_scale, x_zero_point);
        }
      });
      float levels[kSize];
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) {
        levels[c] = math::AveragePoolLevel(sums[c], cells.count, y_scale, y_zero_point);
      }
      uint8_t* flag = flags + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) flag[c] = math::InRange(levels[c], qmin, qmax) ? 1 : 0;
      T* to = y + cells.out + c0;
#pragma omp simd
      for (int64_t c = 0; c < kSize; ++c) {
        to[c] = static_cast<T>(static_cast<int32_t>(math::AveragePoolCode(levels[c], qmin, qmax)));
      }
    });
  });
  uint8_t* mask = args.mask;
  if (mask == nullptr) return QT_OK;
  ParallelBlocks(ctx, elements, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    PackMask(flags + begin, end - begin, mask + begin / 8);
  });
  return QT_OK;
}

}  // namespace

qt_status global_pool_sum(qt_context& ctx, const qt_global_pool_sum_args& args) {
  if (args.code_type == QT_U8) {
    GlobalPoolSum<uint8_t>(ctx, args);
  } else {
    GlobalPoolSum<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status average_pool_codes(qt_context& ctx, const qt_average_pool_codes_args& args) {
  return args.code_type == QT_U8 ? AveragePoolCodes<uint8_t>(ctx, args)
                                 : AveragePoolCodes<int8_t>(ctx, args);
}

}  // namespace qt::cpu::QT_ISA
