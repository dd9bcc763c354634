// Histograms with a growing range, in one pass over memory. A block of 64 rows of up to 64 lanes is
// read for its largest magnitude, the bins grow if they must, and the block, still in the first
// cache, is counted. Counts are integers and a function of the set of values, so threads count on
// their own and are merged in any order.
//
// The increments are scalar: about one per cycle at best, which bounds the kernel. 16-bit counters
// keep them in the first caches; several sets of counters for few channels keep neighbouring
// increments of one counter apart. They are added to the 64-bit counts before they can overflow.
#include "math/histogram.h"

#include <string.h>

#include "cpu/kernel.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kLanes = 64, kRows = 64;

// Everything of one histogram of bins.
struct Bins {
  int32_t bins;
  math::Sides sides;
  int64_t stride;  // of a set of 16-bit counters; the last one takes what is not finite
};

Bins BinsOf(int32_t bins, int32_t is_signed) {
  return {bins, math::SidesOf(bins, is_signed != 0), DivUp(bins + 1, 32) * 32};
}

void Grow(const Bins& b, int64_t* counts, int32_t shift) {
  for (int32_t s = 0; s < b.sides.count; ++s) {
    const math::Side side = math::SideAt(b.sides, s);
    int64_t* at = counts + side.first;
    for (int64_t j = 0; j < b.sides.length; ++j) {
      at[j * side.step] = math::GrownCount(at, side.step, b.sides.length, j, shift);
    }
  }
}

void Merge(const Bins& b, const int64_t* other, int32_t other_exponent, int64_t* counts,
           int32_t* exponent) {
  if (other_exponent > *exponent) {
    Grow(b, counts, other_exponent - *exponent);
    *exponent = other_exponent;
  }
  const int32_t shift = *exponent - other_exponent;
  for (int32_t s = 0; s < b.sides.count; ++s) {
    const math::Side side = math::SideAt(b.sides, s);
    for (int64_t j = 0; j < b.sides.length; ++j) {
      int64_t* const count = counts + side.first + j * side.step;
      *count = math::AddInt(
          *count, math::GrownCount(other + side.first, side.step, b.sides.length, j, shift));
    }
  }
}

// What one thread counts: up to 64 channels. Lane l of a row belongs to channel l % channels and to
// counter set l % sets.
class Counter {
 public:
  // counts [channels, bins] hold what was counted at these exponents.
  Counter(const Bins& bins, int64_t channels, uint16_t* fine, int64_t* counts, int32_t* exponent,
          int64_t* nans, int64_t* infs)
      : bins_(bins),
        channels_(channels),
        sets_(Sets(channels)),
        fine_(fine),
        counts_(counts),
        exponent_(exponent),
        nans_(nans),
        infs_(infs) {
    memset(fine_, 0, sizeof(uint16_t) * sets_ * bins_.stride);
    for (int64_t l = 0; l < kLanes; ++l) {
      offset_[l] = static_cast<int32_t>(l % sets_ * bins_.stride);
    }
    for (int64_t c = 0; c < channels_; ++c) SetWidth(c);
  }

  // 4 sets for one channel; a multiple of the channels always.
  static int64_t Sets(int64_t channels) { return DivUp(4, channels) * channels; }

  // rows <= 64 rows of width <= 64 lanes.
  template <class T>
  void Add(const T* x, int64_t rows, int64_t width, int64_t row_stride) {
    float most[kLanes];
    int32_t nans[kLanes], infs[kLanes];
    for (int64_t l = 0; l < kLanes; ++l) {
      most[l] = 0.0f;
      nans[l] = infs[l] = 0;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * row_stride;
#pragma omp simd
      for (int64_t l = 0; l < width; ++l) {
        const float m = fabsf(math::Widen(row[l]));
        const float finite = m <= math::kFloatMax ? m : 0.0f;
        most[l] = finite > most[l] ? finite : most[l];
        nans[l] += m != m ? 1 : 0;
        infs[l] += m > math::kFloatMax ? 1 : 0;
      }
    }
    const int64_t uses = DivUp(width, sets_) * rows;  // of one 16-bit counter, at most
    if (pending_ + uses > 65535) Flush();
    pending_ += uses;
    for (int64_t l = 0; l < width; ++l) {
      const int64_t c = l % channels_;
      nans_[c] = math::AddInt(nans_[c], int64_t{nans[l]});
      infs_[c] = math::AddInt(infs_[c], int64_t{infs[l]});
      if (!(most[l] < limit_[c])) Double(c, most[l]);
    }
    int32_t at[kLanes];
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * row_stride;
#pragma omp simd
      for (int64_t l = 0; l < width; ++l) {
        const float v = math::Widen(row[l]);
        const bool finite = math::IsFinite(v);
        const int32_t bin = math::Bin(finite ? v : 0.0f, inverse_[l], bins_.sides);
        at[l] = offset_[l] + (finite ? bin : bins_.bins);
      }
      uint16_t* const fine = fine_;
#pragma GCC unroll 8
      for (int64_t l = 0; l < width; ++l) ++fine[at[l]];
    }
  }

  void Flush() {
    for (int64_t c = 0; c < channels_; ++c) FlushChannel(c);
    pending_ = 0;
  }

 private:
  void FlushChannel(int64_t c) {
    int64_t* counts = counts_ + c * bins_.bins;
    for (int64_t set = c; set < sets_; set += channels_) {
      uint16_t* fine = fine_ + set * bins_.stride;
      for (int64_t i = 0; i < bins_.bins; ++i) counts[i] = math::AddInt(counts[i], int64_t{fine[i]});
      memset(fine, 0, sizeof(uint16_t) * bins_.bins);
    }
  }

  void Double(int64_t c, float magnitude) {
    const int32_t exponent = math::FitExponent(magnitude, bins_.sides.length);
    FlushChannel(c);  // at the old width
    Grow(bins_, counts_ + c * bins_.bins, exponent - exponent_[c]);
    exponent_[c] = exponent;
    SetWidth(c);
  }

  void SetWidth(int64_t c) {
    // Inf where every float fits.
    limit_[c] = static_cast<float>(static_cast<double>(bins_.sides.length) *
                                   math::PowerOfTwo(exponent_[c]));
    for (int64_t l = c; l < kLanes; l += channels_) inverse_[l] = math::InverseWidth(exponent_[c]);
  }

  const Bins bins_;
  const int64_t channels_, sets_;
  uint16_t* const fine_;
  int64_t* const counts_;
  int32_t* const exponent_;
  int64_t* const nans_;
  int64_t* const infs_;
  int64_t pending_ = 0;
  float limit_[kLanes], inverse_[kLanes];
  int32_t offset_[kLanes];
};

// A run of one channel.
template <class T>
void AddRun(const T* x, int64_t n, Counter* counter) {
  for (int64_t i = 0; i < n;) {
    const int64_t rows = Min(kRows, (n - i) / kLanes);
    if (rows == 0) {
      counter->Add(x + i, 1, n - i, 0);
      return;
    }
    counter->Add(x + i, rows, kLanes, kLanes);
    i += rows * kLanes;
  }
}

// Groups of channels times parts of their elements, so that every thread has work.
struct Work {
  int64_t group, groups, parts;  // channels of a group
};

template <class T>
void CountPart(const T* x, const qt_histogram_args& a, const Work& w, int64_t first,
               int64_t channels, int64_t part, Counter* counter) {
  const auto share = [=](int64_t items, int64_t p) { return items * p / w.parts; };
  if (a.outer * a.inner == 0) return;  // of no matter how many empty rows or planes
  if (a.channels == 1 || a.inner > 1) {
    const int64_t outer = a.channels == 1 ? 1 : a.outer;
    const int64_t inner = a.channels == 1 ? a.outer * a.inner : a.inner;
    const int64_t begin = share(inner, part), end = share(inner, part + 1);
    for (int64_t o = 0; o < outer; ++o) {
      AddRun(x + (o * a.channels + first) * inner + begin, end - begin, counter);
    }
    return;
  }
  // A row of lanes is several rows of few channels.
  const int64_t copies = w.groups == 1 ? Max(1, kLanes / channels) : 1;
  const int64_t begin = share(a.outer, part), end = share(a.outer, part + 1);
  for (int64_t r = begin; r < end;) {
    const int64_t rows = Min(kRows, (end - r) / copies);
    const T* at = x + r * a.channels + first;
    if (rows == 0) {
      counter->Add(at, 1, (end - r) * channels, 0);
      return;
    }
    counter->Add(at, rows, copies * channels, copies * a.channels);
    r += rows * copies;
  }
}

template <class T>
qt_status Histogram(qt_context& ctx, const T* x, const qt_histogram_args& args) {
  const qt_histogram_args a = args;
  const Bins bins = BinsOf(a.bins, a.is_signed);
  Work w;
  w.group = a.inner == 1 ? Min(kLanes, a.channels) : 1;
  w.groups = DivUp(a.channels, w.group);
  // One part counts into the state itself; more of them have counts of their own. Neither changes
  // what is counted.
  const int64_t plenty = 8 * a.bins;
  w.parts = w.groups >= ctx.threads || a.outer * a.inner < plenty ? 1 : ctx.threads;
  const int64_t items = w.groups * w.parts;
  const int64_t fine = Counter::Sets(w.group) * bins.stride;
  const int64_t own = w.parts == 1 ? 0 : w.group * (a.bins + 3);  // counts, exponent, nans, infs
  const int64_t item_bytes = DivUp(fine * 2 + own * 8, 64) * 64;
  uint8_t* const scratch = ScratchArray<uint8_t>(ctx, items * item_bytes);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const auto counts_of = [=](int64_t item) {
    return reinterpret_cast<int64_t*>(scratch + item * item_bytes + fine * 2);
  };
  ParallelBlocks(ctx, items, 1, [=](int64_t item, int64_t, int64_t) {
    const int64_t first = item / w.parts * w.group, channels = Min(w.group, a.channels - first);
    uint16_t* const counters = reinterpret_cast<uint16_t*>(scratch + item * item_bytes);
    int64_t* counts = a.counts + first * a.bins;
    int32_t* exponent = a.exponent + first;
    int64_t* nans = a.nans + first;
    int64_t* infs = a.infs + first;
    if (w.parts > 1) {
      counts = counts_of(item);
      nans = counts + w.group * a.bins;
      infs = nans + w.group;
      exponent = reinterpret_cast<int32_t*>(infs + w.group);
      memset(counts, 0, sizeof(int64_t) * own);
      for (int64_t c = 0; c < channels; ++c) exponent[c] = math::kLeastExponent;
    }
    Counter counter(bins, channels, counters, counts, exponent, nans, infs);
    CountPart(x, a, w, first, channels, item % w.parts, &counter);
    counter.Flush();
  });
  for (int64_t item = 0; w.parts > 1 && item < items; ++item) {
    const int64_t first = item / w.parts * w.group, channels = Min(w.group, a.channels - first);
    const int64_t* const counts = counts_of(item);
    const int64_t* const nans = counts + w.group * a.bins;
    const int64_t* const infs = nans + w.group;
    const int32_t* const exponent = reinterpret_cast<const int32_t*>(infs + w.group);
    for (int64_t c = 0; c < channels; ++c) {
      Merge(bins, counts + c * a.bins, exponent[c], a.counts + (first + c) * a.bins,
            a.exponent + first + c);
      a.nans[first + c] = math::AddInt(a.nans[first + c], nans[c]);
      a.infs[first + c] = math::AddInt(a.infs[first + c], infs[c]);
    }
  }
  return QT_OK;
}

}  // namespace

qt_status histogram(qt_context& ctx, const qt_histogram_args& a) {
  if (a.channels == 0) return QT_OK;
  return math::WithReal(a.element_type, [&](auto* type) {
    return Histogram(ctx, static_cast<const math::Pointed<decltype(type)>*>(a.x), a);
  });
}

qt_status merge_histograms(qt_context& ctx, const qt_merge_histograms_args& args) {
  const qt_merge_histograms_args a = args;
  const Bins bins = BinsOf(a.bins, a.is_signed);
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.bins), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      Merge(bins, a.other_counts + c * a.bins, a.other_exponent[c], a.counts + c * a.bins,
            a.exponent + c);
      a.nans[c] = math::AddInt(a.nans[c], a.other_nans[c]);
      a.infs[c] = math::AddInt(a.infs[c], a.other_infs[c]);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
