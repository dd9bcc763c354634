// Runs the emulated CUDA kernels against the CPU kernels and compares bits: values, masks, and that
// nothing beyond them was written. Every case runs in several thread orders and grid sizes, from
// aligned and unaligned pointers. Prints one line per kernel and layout, then "N passed, M failed";
// the exit code is 0 if nothing failed.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <random>
#include <string>
#include <vector>

#include "check/emulated.h"
#include "cuda/kernels.h"
#include "quantrain.h"

namespace {

constexpr int64_t kSizes[] = {1, 3, 31, 33, 207, 1021, 4098};
constexpr uint32_t kSeeds[] = {0, 1, 2, 3};    // 0: ascending
constexpr unsigned kGridLimits[] = {0, 1, 3};  // 0: the grid that the launch asks for
constexpr uint8_t kUntouched = 0xa5;

struct Totals {
  int64_t passed = 0, failed = 0;
};
Totals totals;

// One line of the table.
class Row {
 public:
  explicit Row(const std::string& name) : name_(name) {}
  ~Row() {
    printf("%-34s %6lld %9lld %7lld\n", name_.c_str(), static_cast<long long>(passed_ + failed_),
           static_cast<long long>(elements_), static_cast<long long>(failed_));
    totals.passed += passed_;
    totals.failed += failed_;
  }
  void Case(bool passed, int64_t elements, const std::string& what) {
    if (!passed && failed_ < 3) fprintf(stderr, "%s: %s\n", name_.c_str(), what.c_str());
    (passed ? passed_ : failed_) += 1;
    elements_ += elements;
  }

 private:
  std::string name_;
  int64_t passed_ = 0, failed_ = 0, elements_ = 0;
};

// Memory with a rim that must stay as it is. offset bytes make the pointer less aligned.
class Buffer {
 public:
  Buffer(int64_t bytes, int64_t offset)
      : bytes_(bytes), offset_(offset), memory_(bytes + offset + 2 * kRim, kUntouched) {
    // std::vector promises 16 bytes; what is wanted here is 64 and then offset.
    const uintptr_t at = reinterpret_cast<uintptr_t>(memory_.data()) + kRim / 2;
    begin_ = memory_.data() + kRim / 2 + ((64 - at % 64) % 64) + offset_;
  }
  Buffer(const Buffer&) = delete;
  template <class T>
  T* As() {
    return reinterpret_cast<T*>(begin_);
  }
  bool RimIsUntouched() const {
    for (const uint8_t* p = memory_.data(); p < memory_.data() + memory_.size(); ++p) {
      if ((p < begin_ || p >= begin_ + bytes_) && *p != kUntouched) return false;
    }
    return true;
  }

 private:
  static constexpr int64_t kRim = 192;
  int64_t bytes_, offset_;
  std::vector<uint8_t> memory_;
  uint8_t* begin_;
};

struct Grid {
  const char* name;
  int32_t qmin, qmax, zero_point;
  float scale;
};
constexpr Grid kGrids[] = {
    {"s8", -127, 127, 0, 0.0173f},
    {"u8", 0, 255, 131, 0.05f},
    {"2 bits", -1, 1, 0, 0.25f},
    {"u16", 0, 65535, 7, 1.17549435e-38f},
};

// Values where rounding, clamping and special numbers happen, for one quantizer; others in between.
std::vector<float> Values(int64_t n, float scale, const Grid& grid, std::mt19937* random) {
  const float low = (grid.qmin - grid.zero_point) * scale;
  const float high = (grid.qmax - grid.zero_point) * scale;
  const float edges[] = {0.0f,
                         -0.0f,
                         0.5f * scale,
                         -0.5f * scale,
                         1.5f * scale,
                         2.5f * scale,
                         low,
                         high,
                         low - scale,
                         high + scale,
                         low - 0.5f * scale,
                         high + 0.5f * scale,
                         1e-45f,
                         -1.17549435e-38f,
                         1e30f,
                         -1e30f,
                         INFINITY,
                         -INFINITY,
                         NAN,
                         -NAN};
  std::vector<float> values(n);
  std::uniform_real_distribution<float> spread(-1.5f, 1.5f);
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t pick = (*random)() % 40;
    values[i] = pick < 20 ? edges[pick] : spread(*random) * (high - low);
  }
  return values;
}

struct Layout {
  std::string name;
  int64_t outer, channels, inner;
};

std::vector<Layout> Layouts(int64_t size) {
  return {{"per tensor", 1, 1, size},
          {"per channel, inner 1", size, 3, 1},
          {"per channel, inner 5", (size + 34) / 35, 7, 5},
          {"per channel, outer 1", 1, 3, size}};
}

void CheckFakeQuant(qt_context* ctx, size_t layout_index) {
  Row row("fake_quant, " + Layouts(1)[layout_index].name);
  for (const int64_t size : kSizes) {
    const Layout layout = Layouts(size)[layout_index];
    const int64_t n = layout.outer * layout.channels * layout.inner;
    const int64_t mask_bytes = (n + 7) / 8;
    for (const Grid& grid : kGrids) {
      std::mt19937 random(static_cast<uint32_t>(n) + 17);
      std::vector<float> scale(layout.channels);
      std::vector<int32_t> zero_point(layout.channels);
      for (int64_t c = 0; c < layout.channels; ++c) {
        scale[c] = grid.scale * static_cast<float>(c + 1);
        zero_point[c] = c % 2 == 0 ? grid.zero_point : grid.qmax;
      }
      const std::vector<float> x = Values(n, grid.scale, grid, &random);
      std::vector<float> want(n);
      std::vector<uint8_t> want_mask(mask_bytes);
      qt_fake_quant_args args = {x.data(),         scale.data(), zero_point.data(), want.data(),
                                 want_mask.data(), layout.outer, layout.channels,   layout.inner,
                                 grid.qmin,        grid.qmax};
      const bool reference = qt_fake_quant(ctx, &args) == QT_OK;
      for (const uint32_t seed : kSeeds) {
        for (const unsigned limit : kGridLimits) {
          // Aligned, unaligned, in place, without mask: one of them per order, all over the orders.
          const unsigned variant = (seed + limit) % 4;
          Buffer in(4 * n, variant == 1 ? 4 : 0), out(4 * n, 0), mask(mask_bytes, 1);
          memcpy(in.As<float>(), x.data(), 4 * n);
          args.x = in.As<float>();
          args.y = variant == 2 ? in.As<float>() : out.As<float>();
          args.mask = variant == 3 ? nullptr : mask.As<uint8_t>();
          emulator::SetSeed(seed);
          emulator::LimitGrid(limit);
          const cudaError_t status = qt::cuda::FakeQuant(nullptr, args);
          const bool same =
              status == cudaSuccess && memcmp(args.y, want.data(), 4 * n) == 0 &&
              (args.mask == nullptr || memcmp(args.mask, want_mask.data(), mask_bytes) == 0);
          const bool rims = in.RimIsUntouched() && out.RimIsUntouched() && mask.RimIsUntouched();
          row.Case(reference && same && rims, n,
                   std::string(grid.name) + ", n = " + std::to_string(n) + ", seed " +
                       std::to_string(seed) + ", grid limit " + std::to_string(limit) +
                       (reference ? "" : qt_last_error(ctx)) + (same ? "" : ": other bits") +
                       (rims ? "" : ": wrote beyond its output"));
        }
      }
    }
  }
}

void CheckSteBackward(qt_context* ctx) {
  Row row("ste_backward");
  for (const int64_t n : kSizes) {
    std::mt19937 random(static_cast<uint32_t>(n));
    const std::vector<float> dy = Values(n, 0.1f, kGrids[0], &random);
    std::vector<uint8_t> mask((n + 7) / 8);
    for (uint8_t& byte : mask) byte = static_cast<uint8_t>(random());
    if (n % 8 != 0) mask.back() &= static_cast<uint8_t>((1 << (n % 8)) - 1);
    std::vector<float> want(n);
    qt_ste_backward_args args = {dy.data(), mask.data(), want.data(), n};
    const bool reference = qt_ste_backward(ctx, &args) == QT_OK;
    for (const uint32_t seed : kSeeds) {
      for (const unsigned limit : kGridLimits) {
        const unsigned variant = (seed + limit) % 3;
        Buffer in(4 * n, variant == 1 ? 4 : 0), out(4 * n, 0);
        memcpy(in.As<float>(), dy.data(), 4 * n);
        args.dy = in.As<float>();
        args.dx = variant == 2 ? in.As<float>() : out.As<float>();
        emulator::SetSeed(seed);
        emulator::LimitGrid(limit);
        const bool same = qt::cuda::SteBackward(nullptr, args) == cudaSuccess &&
                          memcmp(args.dx, want.data(), 4 * n) == 0;
        const bool rims = in.RimIsUntouched() && out.RimIsUntouched();
        row.Case(reference && same && rims, n,
                 "n = " + std::to_string(n) + ", seed " + std::to_string(seed) + ", grid limit " +
                     std::to_string(limit));
      }
    }
  }
}

void CheckEmulator() {
  Row row("emulator: shuffles, barrier");
  for (uint32_t seed = 0; seed < 16; ++seed) {
    std::vector<int32_t> values(96 * 5), sums(5);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i * i % 1009);
    emulator::SetSeed(seed);
    emulator::LimitGrid(0);
    EmulatedBlockSums(values.data(), sums.data(), 5);
    bool same = true;
    for (int b = 0; b < 5; ++b) {
      int32_t sum = 0;
      for (int i = 0; i < 96; ++i) sum += values[96 * b + i];
      same = same && sum == sums[b];
    }
    row.Case(same, static_cast<int64_t>(values.size()), "seed " + std::to_string(seed));
  }
}

}  // namespace

int main() {
  qt_context* ctx = nullptr;
  if (qt_context_create(&ctx, 0) != QT_OK) {
    fprintf(stderr, "no context\n");
    return 1;
  }
  printf("emulated CUDA kernels against the CPU's (%s), bit by bit\n", qt_context_isa(ctx));
  printf("%-34s %6s %9s %7s\n", "kernel", "cases", "elements", "failed");
  CheckEmulator();
  for (size_t layout = 0; layout < Layouts(1).size(); ++layout) CheckFakeQuant(ctx, layout);
  CheckSteBackward(ctx);
  qt_context_destroy(ctx);
  printf("%lld passed, %lld failed\n", static_cast<long long>(totals.passed),
         static_cast<long long>(totals.failed));
  return totals.failed == 0 ? 0 : 1;
}
