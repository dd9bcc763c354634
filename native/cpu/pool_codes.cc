// global_pool_sum, average_pool_codes and average_pool_codes_fixed, walked as cpu/pool.h says.
#include <string.h>

#include <type_traits>

#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/pool.h"
#include "math/level.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {
namespace {

// Codes of neighbouring pixels that are summed at once: they stay in the nearest cache.
constexpr int64_t kPixelBytes = 8192;
// Pixels whose sum fits 16 bits: 256 * -128 and 256 * 255 do.
constexpr int64_t kMostPixels = 256;

// Adds `pixels` neighbours to the sums of a group of channels. Meanwhile as many codes from `next` on
// are fetched, in their order: the hardware follows streams and no columns.
template <int64_t kSize, class T>
void AddPixels(const T* x, int64_t pixels, int64_t channels, const T* next, int32_t* acc) {
  using Half = std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>;
  Half sums[kSize] = {0};
  for (int64_t i = 0; i < pixels; ++i) {
    const T* const pixel = x + i * channels;
    if (kSize > 1) __builtin_prefetch(next + i * kSize);
#pragma omp simd
    for (int64_t c = 0; c < kSize; ++c) sums[c] = static_cast<Half>(sums[c] + pixel[c]);
  }
#pragma omp simd
  for (int64_t c = 0; c < kSize; ++c) acc[c] += sums[c];
}

template <class T>
void GlobalPoolSum(qt_context& ctx, const qt_global_pool_sum_args& args) {
  const T* x = static_cast<const T*>(args.x);
  int32_t* acc = args.acc;
  const int64_t pixels = args.hw;
  const int64_t channels = args.c;
  const int32_t offset = static_cast<int32_t>(pixels) * *args.zero_point;
  const int64_t images_per_block = ItemsPerBlock(pixels * channels);
  const int64_t images = channels == 0 ? 0 : args.n;
  const int64_t together = Max(1, Min(kMostPixels, kPixelBytes / Max(1, channels)));
  ParallelBlocks(ctx, images, images_per_block, [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      int32_t* const to = acc + image * channels;
      for (int64_t c = 0; c < channels; ++c) to[c] = -offset;
      for (int64_t first = 0; first < pixels; first += together) {
        const int64_t count = Min(together, pixels - first);
        const T* const from = x + (image * pixels + first) * channels;
        const T* const next = from + count * channels;
        ForGroups(channels, [&](auto group, int64_t c) {
          AddPixels<decltype(group)::kSize>(from + c, count, channels, next + c * count, to + c);
        });
      }
    }
  });
}

// Flags of consecutive elements: packed whenever a chunk is full.
class MaskRun {
 public:
  // first: a multiple of 8. mask may be null.
  MaskRun(uint8_t* mask, int64_t first) : mask_(mask == nullptr ? mask : mask + first / 8) {}
  // Where the flags of the next n <= 64 elements go.
  uint8_t* Next(int64_t n) {
    if (size_ + n > kChunk) Pack(size_ / 8 * 8);
    uint8_t* const at = flags_ + size_;
    size_ += n;
    return at;
  }
  void Finish() { Pack(size_); }

 private:
  static constexpr int64_t kChunk = 1024;
  // The first n flags, all or a multiple of 8; fewer than 8 stay.
  void Pack(int64_t n) {
    PackMask(flags_, n, mask_);
    mask_ += n / 8;
    size_ -= n;
    memmove(flags_, flags_ + n, static_cast<size_t>(size_));
  }

  uint8_t* mask_;
  int64_t size_ = 0;
  uint8_t flags_[kChunk];
};

// y = code of level(sum of term(code) over the window, count).
template <class T, class Sum, class L, class Args, class Term, class LevelOf>
void AveragePool(qt_context& ctx, const Args& args, bool count_padding, const math::Ends<L>& ends,
                 Term term, LevelOf level_of) {
  const qt_window w = args.window;
  const T* x = static_cast<const T*>(args.x);
  T* y = static_cast<T*>(args.y);
  uint8_t* mask = args.mask;
  const bool stream = Streams(w.c * w.n * (w.h * w.w + w.p * w.q));
  // Blocks begin at whole bytes of the mask.
  const int64_t multiple = w.q * w.c % 8 == 0 ? 1 : 8;
  const int64_t rows = DivUp(OutputRowsPerBlock(w), multiple) * multiple;
  ParallelBlocks(ctx, OutputRows(w), rows, [=](int64_t, int64_t begin, int64_t end) {
    OutRun<T> codes(y + begin * w.q * w.c, stream);
    MaskRun run(mask, begin * w.q * w.c);
    ForOutputRows(w, count_padding, begin, end, [&](const Cells& cells) {
      ForGroups(w.c, [&](auto group, int64_t c0) {
        constexpr int64_t kSize = decltype(group)::kSize;
        Sum sums[kSize] = {0};
        ForCells(w, cells, [&](int64_t offset, int64_t) {
          const T* from = x + offset + c0;
#pragma omp simd
          for (int64_t c = 0; c < kSize; ++c) sums[c] += term(from[c]);
        });
        L levels[kSize];
        const math::Divisor count = math::MakeDivisor(cells.count);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) levels[c] = level_of(sums[c], count);
        T* to = codes.Next(kSize);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) {
          to[c] = static_cast<T>(math::LevelCode(levels[c], ends));
        }
        if (mask == nullptr) return;
        uint8_t* flags = run.Next(kSize);
#pragma omp simd
        for (int64_t c = 0; c < kSize; ++c) flags[c] = math::Passes(levels[c], ends) ? 1 : 0;
      });
    });
    codes.Finish();
    if (mask != nullptr) run.Finish();
  });
}

template <class T>
void AveragePoolCodes(qt_context& ctx, const qt_average_pool_codes_args& args) {
  const float x_scale = *args.x_scale, x_zero_point = static_cast<float>(*args.x_zero_point);
  const math::Divisor y_scale = math::MakeDivisor(*args.y_scale);
  const float y_zero_point = static_cast<float>(*args.y_zero_point);
  AveragePool<T, float>(
      ctx, args, args.count_padding != 0, math::MakeEnds<float>(args.qmin, args.qmax, 0, false),
      [=](T code) { return math::Dequantize(static_cast<float>(code), x_scale, x_zero_point); },
      [=](float sum, const math::Divisor& count) {
        return math::AveragePoolLevel(sum, count, y_scale, y_zero_point);
      });
}

template <class T>
void AveragePoolCodesFixed(qt_context& ctx, const qt_average_pool_codes_fixed_args& args) {
  AveragePool<T, int32_t>(
      ctx, args, /*count_padding=*/false, math::MakeEnds<int32_t>(args.qmin, args.qmax, 0, false),
      [](T code) { return static_cast<int32_t>(code); },
      [](int32_t sum, const math::Divisor& count) { return math::AverageRounded(sum, count); });
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
  if (args.code_type == QT_U8) {
    AveragePoolCodes<uint8_t>(ctx, args);
  } else {
    AveragePoolCodes<int8_t>(ctx, args);
  }
  return QT_OK;
}

qt_status average_pool_codes_fixed(qt_context& ctx, const qt_average_pool_codes_fixed_args& args) {
  if (args.code_type == QT_U8) {
    AveragePoolCodesFixed<uint8_t>(ctx, args);
  } else {
    AveragePoolCodesFixed<int8_t>(ctx, args);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
