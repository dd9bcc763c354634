// global_pool_sum, average_pool_codes and average_pool_codes_fixed, walked as cpu/pool.h says.
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/pool.h"
#include "math/level.h"
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
  const int64_t images = channels == 0 ? 0 : args.n;
  ParallelBlocks(ctx, images, images_per_block, [=](int64_t, int64_t begin, int64_t end) {
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
    for (int64_t i = n; i < size_; ++i) flags_[i - n] = flags_[i];
    size_ -= n;
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
  // Blocks begin at whole bytes of the mask.
  const int64_t multiple = w.q * w.c % 8 == 0 ? 1 : 8;
  const int64_t rows = DivUp(OutputRowsPerBlock(w), multiple) * multiple;
  ParallelBlocks(ctx, OutputRows(w), rows, [=](int64_t, int64_t begin, int64_t end) {
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
        T* to = y + cells.out + c0;
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
