// The gradient of a convolution's weights. Bands of the input with their padding become floats in a
// buffer; there the weights that one output channel has for a row of the kernel meet neighbouring
// values, a run. Tiles of a run by some output channels stay in registers over the pixels of a
// band; their sums are added to those of a group of bands, and the groups' sums to the gradient, in
// order. Bands and groups depend on shapes alone.
#include <string.h>

#include "cpu/bands.h"
#include "cpu/runs.h"
#include "math/quantize.h"

namespace qt::cpu::QT_ISA {
namespace {

#if QT_VECTORS
using Lanes = Vector;
constexpr int64_t kLanes = Vector::kSize;
inline void Store(Lanes a, float* to) { StoreVector(a, to); }
#else
using Lanes = float;
constexpr int64_t kLanes = 1;
inline void Store(float a, float* to) { *to = a; }
#endif

// A tile: its 12 sums, a row of the run and a value of dy are the 16 registers of AVX2.
constexpr int kVectors = 3;  // of a run
constexpr int kOutputs = 4;  // output channels

// Of a band: their values of a tile's part of a run and of dy stay in the first cache.
constexpr int64_t kPixels = 128;
constexpr int64_t kSlice = 32;          // output channels of a work item
constexpr int64_t kMostGroups = 32;     // of bands
constexpr int64_t kMostSums = 1 << 20;  // of all groups, as long as there are at least two

// The runs of a kernel: values that lie beside each other in the buffer and meet as many weights.
struct Runs {
  int64_t length;    // values
  int64_t padded;    // the same, whole vectors: as sums are stored
  int64_t per_row;   // of the kernel
  int64_t count;
  int64_t step_h, step_w;  // in the buffer

  explicit Runs(const Bands& bands) {
    const Reach& reach = bands.reach;
    const bool dense = reach.dilation_w == 1;
    length = dense ? reach.w.kernel_w * bands.channels : bands.channels;
    padded = DivUp(length, kLanes) * kLanes;
    per_row = dense ? 1 : reach.w.kernel_w;
    count = reach.w.kernel_h * per_row;
    step_h = reach.dilation_h * bands.RowValues();
    step_w = reach.dilation_w * bands.channels;
  }
  int64_t Offset(int64_t run) const { return run / per_row * step_h + run % per_row * step_w; }
};

// The pixels of a band, as a tile goes over them.
struct Pixels {
  int64_t rows, columns, x_row, x_step, dy_step;
};

// sums += x * dy over all pixels, of kWide vectors from x on and of kHigh channels from dy on.
template <int kWide, int kHigh>
void Tile(const Pixels& pixels, const float* x, const float* dy, float* sums, int64_t sums_step) {
  using math::Fma;
  Lanes sum[kHigh][kWide];
  for (int i = 0; i < kHigh; ++i) {
    for (int j = 0; j < kWide; ++j) sum[i][j] = Lanes(0.0f);
  }
  const int64_t x_step = pixels.x_step, dy_step = pixels.dy_step;
  int64_t rows = pixels.rows;
  do {
    const float* at = x;
    int64_t columns = pixels.columns;
    do {
      Lanes values[kWide];
      for (int j = 0; j < kWide; ++j) values[j] = LoadAs<Lanes>(at + j * kLanes);
      for (int i = 0; i < kHigh; ++i) {
        const Lanes gradient(dy[i]);
        for (int j = 0; j < kWide; ++j) sum[i][j] = Fma(gradient, values[j], sum[i][j]);
      }
      at += x_step;
      dy += dy_step;
    } while (--columns > 0);
    x += pixels.x_row;
  } while (--rows > 0);
  for (int i = 0; i < kHigh; ++i) {
    for (int j = 0; j < kWide; ++j) {
      float* const to = sums + i * sums_step + j * kLanes;
      Store(LoadAs<Lanes>(to) + sum[i][j], to);
    }
  }
}

constexpr decltype(&Tile<1, 1>) kTiles[kVectors][kOutputs] = {
    {Tile<1, 1>, Tile<1, 2>, Tile<1, 3>, Tile<1, 4>},
    {Tile<2, 1>, Tile<2, 2>, Tile<2, 3>, Tile<2, 4>},
    {Tile<3, 1>, Tile<3, 2>, Tile<3, 3>, Tile<3, 4>}};

// Adds what a band contributes to the sums of some output channels, of which dy is the first.
void AddBand(const Band<float>& band, const Runs& runs, const float* dy, int64_t k,
             int64_t channels, float* sums) {
  const Reach& reach = band.of.reach;
  const Pixels pixels = {band.rows, reach.w.q, reach.w.stride_h * band.of.RowValues(),
                         reach.w.stride_w * band.of.channels, k};
  const int64_t vectors = runs.padded / kLanes, sums_step = runs.count * runs.padded;
  for (int64_t run = 0; run < runs.count; ++run) {
    for (int64_t v = 0; v < vectors; v += kVectors) {
      const auto& tiles = kTiles[Min(vectors - v, kVectors) - 1];
      const float* const x = band.values + runs.Offset(run) + v * kLanes;
      float* const to = sums + run * runs.padded + v * kLanes;
      for (int64_t j = 0; j < channels; j += kOutputs) {
        tiles[Min(channels - j, kOutputs) - 1](pixels, x, dy + j, to + j * sums_step, sums_step);
      }
    }
  }
}

template <class T, class F>
qt_status BackwardWeights(qt_context& ctx, const qt_conv2d_backward_weights_args& a, F value) {
  const Reach reach = {a.window, a.dilation_h, a.dilation_w};
  const Bands bands(reach, a.window.c, kPixels / a.window.q);
  const Runs runs(bands);
  const int64_t sums_of_one = runs.count * runs.padded, sums = a.k * sums_of_one;
  const int64_t most_groups = Min(kMostGroups, Max(2, kMostSums / sums));
  const int64_t bands_of_group = DivUp(bands.Count(), most_groups);
  const int64_t groups = DivUp(bands.Count(), bands_of_group);
  const int64_t slices = DivUp(a.k, kSlice);
  // With what the last vector of a run reads behind it.
  const int64_t buffer = bands.BufferValues() + kLanes;
  float* const scratch = ScratchArray<float>(ctx, groups * sums + ctx.threads * buffer);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  float* const buffers = scratch + groups * sums;
  ForParts(ctx, groups * slices, 1, [=, &a, &bands, &runs](int64_t part, int64_t begin,
                                                           int64_t end) {
    float* const own = buffers + part * buffer;
    memset(own + bands.BufferValues(), 0, sizeof(float) * kLanes);
    for (int64_t item = begin; item < end; ++item) {
      const int64_t group = item / slices, first = item % slices * kSlice;
      const int64_t channels = Min(kSlice, a.k - first);
      float* const to = scratch + group * sums + first * sums_of_one;
      memset(to, 0, sizeof(float) * static_cast<size_t>(channels * sums_of_one));
      const int64_t last = Min(bands.Count(), (group + 1) * bands_of_group);
      for (int64_t number = group * bands_of_group; number < last; ++number) {
        Band<float> band(bands, number, own);
        band.Fill(static_cast<const T*>(a.x), 0, a.window.c, value);
        AddBand(band, runs, a.dy + band.Output() * a.k + first, a.k, channels, to);
      }
    }
  });
  const int64_t rows = a.k * runs.count;
  ParallelBlocks(ctx, rows, ItemsPerBlock(groups * runs.padded),
                 [=, &a](int64_t, int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      float* const from = scratch + row * runs.padded;
      float* const to = a.dw + row * runs.length;
      for (int64_t group = 1; group < groups; ++group) {
        const float* const more = from + group * sums;
#pragma omp simd
        for (int64_t i = 0; i < runs.padded; ++i) from[i] += more[i];
      }
      memcpy(to, from, sizeof(float) * static_cast<size_t>(runs.length));
    }
  });
  return QT_OK;
}

template <class Code>
qt_status OfCodes(qt_context& ctx, const qt_conv2d_backward_weights_args& a) {
  const float scale = *a.x_scale, zero_point = static_cast<float>(*a.x_zero_point);
  return BackwardWeights<Code>(ctx, a, [=](Code code) {
    return math::Dequantize(static_cast<float>(code), scale, zero_point);
  });
}

}  // namespace

qt_status conv2d_backward_weights(qt_context& ctx, const qt_conv2d_backward_weights_args& a) {
  const qt_window& w = a.window;
  const int64_t weights = a.k * w.kernel_h * w.kernel_w * w.c;
  if (weights == 0) return QT_OK;
  if (w.n * w.p * w.q == 0) {
    memset(a.dw, 0, sizeof(float) * static_cast<size_t>(weights));
    return QT_OK;
  }
  if (a.x_type == QT_ELEMENT_U8) return OfCodes<uint8_t>(ctx, a);
  if (a.x_type == QT_ELEMENT_S8) return OfCodes<int8_t>(ctx, a);
  return BackwardWeights<float>(ctx, a, [](float x) { return x; });
}

}  // namespace qt::cpu::QT_ISA
