// Products of codes in 16-bit units: pair_weights, conv2d_pairs. A band of the input becomes codes
// less the zero-point, in 16 bits and with its padding, in a buffer that stays in the cache; then
// panels of 16 output channels go over it, and their sums become codes before they leave the
// registers. Sums are of integers, so work may be cut by the number of threads.
#include <string.h>

#include <type_traits>

#include "cpu/bands.h"
#include "cpu/runs.h"
#include "cpu/words.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kPanel = 16;  // output channels of a panel of weights
constexpr int64_t kTile = 6;    // pixels at once: their sums, 6 x 16, leave 4 of 16 registers
constexpr int64_t kBandBytes = 1 << 17;
// Products below which a thread costs more than it brings.
constexpr int64_t kLeastProducts = 1 << 16;

#if QT_VECTORS

// Two values of each of 16 channels.
struct Pairs {
  __m256i first, second;
};

inline Pairs LoadPairs(const int8_t* w) {
  const __m128i* const from = reinterpret_cast<const __m128i*>(w);
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(from)),
          _mm256_cvtepi8_epi16(_mm_loadu_si128(from + 1))};
}
inline Pairs LoadPairs(const int16_t* w) {
  const __m256i* const from = reinterpret_cast<const __m256i*>(w);
  return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
}
inline void StorePairs(Pairs p, int16_t* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), p.first);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kPanel), p.second);
}

// The two values at x for every channel.
inline Pairs SamePair(const int16_t* x) {
  int32_t both;
  memcpy(&both, x, sizeof(both));
  const __m256i all = _mm256_set1_epi32(both);
  return {all, all};
}

// The 16 values at a, each with that at b; the channels in the order of Interleaved.
inline Pairs Together(const int16_t* a, const int16_t* b) {
  const __m256i x = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(a));
  const __m256i y = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b));
  return {_mm256_unpacklo_epi16(x, y), _mm256_unpackhi_epi16(x, y)};
}

// Halves of registers change places, as vectors of 128 bits are interleaved; twice is once not.
inline Pairs Interleaved(Pairs p) {
  return {_mm256_permute2x128_si256(p.first, p.second, 0x20),
          _mm256_permute2x128_si256(p.first, p.second, 0x31)};
}

// Sums of 16 channels.
struct Sums {
  Pairs v;

  void Clear() { v = {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  void Add(Pairs x, Pairs w) {
    v.first = _mm256_add_epi32(v.first, _mm256_madd_epi16(x.first, w.first));
    v.second = _mm256_add_epi32(v.second, _mm256_madd_epi16(x.second, w.second));
  }
  void Deinterleave() { v = Interleaved(v); }
#if defined(__AVX512F__)
  static constexpr int64_t kParts = 1;
  Words Part(int64_t) const {
    return Words(_mm512_inserti64x4(_mm512_castsi256_si512(v.first), v.second, 1));
  }
#else
  static constexpr int64_t kParts = 2;
  Words Part(int64_t i) const { return Words(i == 0 ? v.first : v.second); }
#endif
  void Store(int32_t* to) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), v.first);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + kPanel / 2), v.second);
  }
};

// The codes of 16 channels, which lie in the range of Code.
using Lanes = Vector;
template <class Code>
inline void StorePanel(const Vector (&code)[Sums::kParts], Code* to) {
#if defined(__AVX512F__)
  const __m128i bytes = _mm512_cvtepi32_epi8(Integers(code[0]));
#else
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(Integers(code[0]), Integers(code[1])), _MM_SHUFFLE(3, 1, 2, 0));
  const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
  const __m128i bytes = std::is_signed_v<Code> ? _mm_packs_epi16(low, high)
                                               : _mm_packus_epi16(low, high);
#endif
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
}

#else

struct Pairs {
  int16_t v[2 * kPanel];
};

template <class Int>
inline Pairs LoadPairs(const Int* w) {
  Pairs p;
  for (int64_t j = 0; j < 2 * kPanel; ++j) p.v[j] = w[j];
  return p;
}
inline void StorePairs(const Pairs& p, int16_t* to) { memcpy(to, p.v, sizeof(p.v)); }

inline Pairs SamePair(const int16_t* x) {
  Pairs p;
  for (int64_t j = 0; j < 2 * kPanel; ++j) p.v[j] = x[j % 2];
  return p;
}

inline Pairs Together(const int16_t* a, const int16_t* b) {
  Pairs p;
  for (int64_t j = 0; j < kPanel; ++j) {
    p.v[2 * j] = a[j];
    p.v[2 * j + 1] = b[j];
  }
  return p;
}

inline const Pairs& Interleaved(const Pairs& p) { return p; }

struct Sums {
  int32_t v[kPanel];

  void Clear() { memset(v, 0, sizeof(v)); }
  void Add(const Pairs& x, const Pairs& w) {
    for (int64_t j = 0; j < kPanel; ++j) {
      const int32_t two = x.v[2 * j] * w.v[2 * j] + x.v[2 * j + 1] * w.v[2 * j + 1];
      v[j] = math::AddInt(v[j], two);
    }
  }
  void Deinterleave() {}
  static constexpr int64_t kParts = kPanel;
  int32_t Part(int64_t i) const { return v[i]; }
  void Store(int32_t* to) const { memcpy(to, v, sizeof(v)); }
};

using Lanes = float;
template <class Code>
inline void StorePanel(const float (&code)[kPanel], Code* to) {
  for (int64_t j = 0; j < kPanel; ++j) to[j] = static_cast<Code>(static_cast<int32_t>(code[j]));
}

#endif

// Where the sums of one panel's channels go: Put(sums, pixel) of the output.
struct PanelSums {
  int32_t* acc;
  int64_t k, channels;

  PanelSums(const qt_conv2d_pairs_args& a, int64_t panel)
      : acc(a.acc + panel * kPanel), k(a.k), channels(Min(kPanel, a.k - panel * kPanel)) {}

  void Put(const Sums& sums, int64_t pixel) const {
    int32_t* const to = acc + pixel * k;
    if (channels == kPanel) {
      sums.Store(to);
    } else {
      int32_t all[kPanel];
      sums.Store(all);
      memcpy(to, all, sizeof(int32_t) * static_cast<size_t>(channels));
    }
  }
};

// The same with the codes of the sums.
template <class Code>
struct PanelCodes {
  Code* codes;
  int64_t k, channels;
  float zero_point;
  math::RequantizeEnds ends;
  int32_t bias[kPanel] = {};
  float multiplier[kPanel] = {};

  PanelCodes(const qt_conv2d_pairs_args& a, int64_t panel)
      : codes(static_cast<Code*>(a.codes) + panel * kPanel),
        k(a.k),
        channels(Min(kPanel, a.k - panel * kPanel)),
        zero_point(static_cast<float>(*a.zero_point)),
        ends(math::MakeRequantizeEnds(a.qmin, a.qmax, zero_point, a.relu != 0)) {
    for (int64_t j = 0; j < channels; ++j) {
      if (a.bias != nullptr) bias[j] = a.bias[panel * kPanel + j];
      multiplier[j] = a.multiplier[panel * kPanel + j];
    }
  }

  void Put(const Sums& sums, int64_t pixel) const {
    Lanes code[Sums::kParts];
    for (int64_t i = 0; i < Sums::kParts; ++i) {
      const int64_t j = i * (kPanel / Sums::kParts);
      const Integer<Lanes> sum = AddInt(sums.Part(i), LoadIntAs<Lanes>(bias + j));
      const Lanes level = math::RequantizeLevel(sum, LoadAs<Lanes>(multiplier + j));
      code[i] = math::RequantizeCode(level, Lanes(ends.lo), Lanes(ends.hi), Lanes(zero_point));
    }
    Code* const to = codes + pixel * k;
    if (channels == kPanel) {
      StorePanel(code, to);
    } else {
      Code all[kPanel];
      StorePanel(code, all);
      memcpy(to, all, static_cast<size_t>(channels));
    }
  }
};

// Bands whose buffers are about kBandBytes large.
Bands MakeBands(const qt_window& w, int64_t channels) {
  const Reach reach = {w, 1, 1};
  return Bands(reach, channels, Bands::RowsIn(kBandBytes / 2, reach, channels));
}

// With what pairs reach behind the last value; it is multiplied by 0.
int64_t BufferValues(const Bands& bands) { return bands.BufferValues() + bands.channels + 1; }

// What codes become in the buffer.
struct LessZeroPoint {
  int32_t zero_point;
  template <class Code>
  int16_t operator()(Code code) const {
    return static_cast<int16_t>(code - zero_point);
  }
};

// Where the windows of a band's pixels begin, one after the other.
class Windows {
 public:
  explicit Windows(const Band<int16_t>& band)
      : row_(band.values),
        row_step_(band.of.reach.w.stride_h * band.of.RowValues()),
        step_(band.of.reach.w.stride_w * band.of.channels),
        q_(band.of.reach.w.q) {}
  const int16_t* Next() {
    const int16_t* const at = row_ + column_ * step_;
    if (++column_ == q_) {
      column_ = 0;
      row_ += row_step_;
    }
    return at;
  }

 private:
  const int16_t* row_;
  int64_t row_step_, step_, q_, column_ = 0;
};

// The least items of a part.
int64_t LeastItems(int64_t products_per_item) {
  return Max(1, kLeastProducts / products_per_item);
}

// Runs of a kernel's rows over the values of a band.
struct Runs {
  int64_t count, step, pairs;
  int64_t Weights() const { return count * pairs * 2 * kPanel; }  // of a panel
};

// kRows pixels, which begin with `pixel` of the output. Written so that sums stay in registers: of
// other forms of these loops gcc 12 makes a copy of them in memory, at half the speed.
template <int kRows, class Panel>
void Tile(Windows* windows, const Runs& runs, const int8_t* w, const Panel& to, int64_t pixel) {
  const int16_t* at[kRows];
  for (int m = 0; m < kRows; ++m) at[m] = windows->Next();
  Sums sums[kRows];
  for (int m = 0; m < kRows; ++m) sums[m].Clear();
  const int64_t pairs = runs.pairs;
  int64_t run = runs.count;
  do {
    for (int64_t i = 0; i < pairs; ++i) {
      const Pairs weights = LoadPairs(w);
      for (int m = 0; m < kRows; ++m) {
        sums[m].Add(SamePair(at[m]), weights);
        at[m] += 2;
      }
      w += 2 * kPanel;
    }
    for (int m = 0; m < kRows; ++m) at[m] += runs.step - 2 * pairs;
  } while (--run > 0);
  for (int m = 0; m < kRows; ++m) to.Put(sums[m], pixel + m);
}

template <class Panel>
constexpr decltype(&Tile<1, Panel>) kTiles[kTile] = {
    Tile<1, Panel>, Tile<2, Panel>, Tile<3, Panel>,
    Tile<4, Panel>, Tile<5, Panel>, Tile<6, Panel>};

template <class Code, class Panel>
qt_status Dense(qt_context& ctx, const qt_conv2d_pairs_args& a, const qt_window& w) {
  const Bands bands = MakeBands(w, w.c);
  const Runs runs = {w.kernel_h, bands.RowValues(), DivUp(w.kernel_w * w.c, 2)};
  const int64_t panels = DivUp(a.k, kPanel), size = BufferValues(bands);
  int16_t* const scratch = ScratchArray<int16_t>(ctx, ctx.threads * size);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const int64_t least = LeastItems(bands.rows * w.q * runs.Weights());
  ForParts(ctx, bands.Count() * panels, least, [=, &a](int64_t part, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end;) {
      Band<int16_t> band(bands, item / panels, scratch + part * size);
      band.Fill(static_cast<const Code*>(a.x), 0, w.c, LessZeroPoint{*a.x_zero_point});
      const int64_t after = Min(end, (item / panels + 1) * panels);
      for (; item < after; ++item) {
        const int64_t panel = item % panels, last = band.Output() + band.rows * w.q;
        const int8_t* const weights = a.pairs + panel * runs.Weights();
        const Panel to(a, panel);
        Windows windows(band);
        for (int64_t pixel = band.Output(); pixel < last; pixel += kTile) {
          kTiles<Panel>[Min(last - pixel, kTile) - 1](&windows, runs, weights, to, pixel);
        }
      }
    }
  });
  return QT_OK;
}

// The sums of a band's pixels in 16 channels; weights [kernel_h, pairs, 32], interleaved.
template <int kKernel, class Panel>
void EachChannel(const Band<int16_t>& band, const int16_t* weights, const Panel& to) {
  const qt_window& w = band.of.reach.w;
  const int64_t kernel_h = kKernel > 0 ? kKernel : w.kernel_h;
  const int64_t pairs = DivUp(kKernel > 0 ? kKernel : w.kernel_w, 2);
  const int64_t row = band.of.RowValues(), last = band.Output() + band.rows * w.q;
  Windows windows(band);
  for (int64_t pixel = band.Output(); pixel < last; ++pixel) {
    const int16_t* const x = windows.Next();
    Sums sums;
    sums.Clear();
    for (int64_t r = 0; r < kernel_h; ++r) {
      for (int64_t s = 0; s < pairs; ++s) {
        const int16_t* const cell = x + r * row + s * 2 * kPanel;
        sums.Add(Together(cell, cell + kPanel), LoadPairs(weights + (r * pairs + s) * 2 * kPanel));
      }
    }
    sums.Deinterleave();
    to.Put(sums, pixel);
  }
}

template <class Code, class Panel>
qt_status Depthwise(qt_context& ctx, const qt_conv2d_pairs_args& a) {
  const qt_window& w = a.window;
  const Bands bands = MakeBands(w, kPanel);
  const int64_t panels = DivUp(w.c, kPanel);
  const int64_t weights = w.kernel_h * DivUp(w.kernel_w, 2) * 2 * kPanel;  // of a panel
  const int64_t size = BufferValues(bands) + weights;
  int16_t* const scratch = ScratchArray<int16_t>(ctx, ctx.threads * size);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const bool is_usual = w.kernel_h == 3 && w.kernel_w == 3;
  const auto each = is_usual ? EachChannel<3, Panel> : EachChannel<0, Panel>;
  const int64_t least = LeastItems(bands.rows * w.q * weights);
  ForParts(ctx, bands.Count() * panels, least, [=, &a, &w](int64_t part, int64_t begin,
                                                           int64_t end) {
    int16_t* const own = scratch + part * size;
    for (int64_t item = begin; item < end; ++item) {
      const int64_t panel = item % panels;
      for (int64_t i = 0; i < weights; i += 2 * kPanel) {
        StorePairs(Interleaved(LoadPairs(a.pairs + panel * weights + i)), own + i);
      }
      Band<int16_t> band(bands, item / panels, own + weights);
      band.Fill(static_cast<const Code*>(a.x), panel * kPanel, Min(kPanel, w.c - panel * kPanel),
                LessZeroPoint{*a.x_zero_point});
      each(band, own, Panel(a, panel));
    }
  });
  return QT_OK;
}

// Where each pixel is a product of its own, images and rows are one column of pixels.
qt_window Flattened(const qt_window& w) {
  const bool pixels = w.kernel_h == 1 && w.kernel_w == 1 && w.stride_h == 1 && w.stride_w == 1 &&
                      w.p == w.h && w.q == w.w;
  if (!pixels) return w;
  qt_window flat = w;
  flat.h = flat.p = w.n * w.h * w.w;
  flat.n = flat.w = flat.q = 1;
  return flat;
}

template <class Code, class Panel>
qt_status Conv2d(qt_context& ctx, const qt_conv2d_pairs_args& a) {
  return a.groups > 1 ? Depthwise<Code, Panel>(ctx, a)
                      : Dense<Code, Panel>(ctx, a, Flattened(a.window));
}

template <class Code>
qt_status Conv2d(qt_context& ctx, const qt_conv2d_pairs_args& a) {
  if (a.acc != nullptr) return Conv2d<Code, PanelSums>(ctx, a);
  return a.code_type == QT_U8 ? Conv2d<Code, PanelCodes<uint8_t>>(ctx, a)
                              : Conv2d<Code, PanelCodes<int8_t>>(ctx, a);
}

}  // namespace

qt_status pair_weights(qt_context& ctx, const qt_pair_weights_args& a) {
  if (a.length == 0) return QT_OK;  // however many runs
  const int64_t pairs = DivUp(a.length, 2), panels = DivUp(a.k, kPanel);
  ParallelBlocks(ctx, panels * a.runs, Max(1, kBlock / Max(1, a.length * kPanel)),
                 [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t panel = item / a.runs, run = item % a.runs;
      int8_t* const to = a.pairs + item * pairs * 2 * kPanel;
      memset(to, 0, static_cast<size_t>(pairs * 2 * kPanel));
      for (int64_t j = 0; j < Min(kPanel, a.k - panel * kPanel); ++j) {
        const int8_t* const from = a.w + ((panel * kPanel + j) * a.runs + run) * a.length;
        for (int64_t i = 0; i < a.length; ++i) to[(i / 2 * kPanel + j) * 2 + i % 2] = from[i];
      }
    }
  });
  return QT_OK;
}

qt_status conv2d_pairs(qt_context& ctx, const qt_conv2d_pairs_args& a) {
  if (a.window.n * a.window.p * a.window.q * a.k == 0) return QT_OK;
  return a.x_type == QT_U8 ? Conv2d<uint8_t>(ctx, a) : Conv2d<int8_t>(ctx, a);
}

}  // namespace qt::cpu::QT_ISA
