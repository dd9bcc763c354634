// The k largest and k smallest values, exactly. A thread collects what passes the state's k-th value
// and, whenever its buffer is full, keeps the k best of it, so that the bar rises; in the end the
// threads' values and the state's are sorted together. What is kept is a function of the set of
// values, so neither threads nor batches show. Almost all values fail the bar and cost a comparison.
#include "math/top_k.h"

#include <string.h>

#include "cpu/kernel.h"
#include "math/integer.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kChunk = 64;

// The k largest keys of what was added. For the smallest values, keys are complemented.
class Selector {
 public:
  // Room for 2 * capacity keys, the second half to sort into; capacity >= k + kChunk.
  Selector(uint32_t* room, int64_t capacity, int64_t k)
      : keys_(room), spare_(room + capacity), capacity_(capacity), k_(k) {}

  uint32_t* end() { return keys_ + size_; }
  const uint32_t* keys() const { return keys_; }
  int64_t size() const { return size_; }
  bool HasRoom(int64_t n) const { return size_ + n <= capacity_; }
  void Grow(int64_t n) { size_ += n; }

  // Sorts, descending, and keeps k. By bytes, from the last to the first: four stable passes.
  void Keep() {
    for (int32_t shift = 0; shift < 32; shift += 8) {
      int64_t starts[256] = {0};
      for (int64_t i = 0; i < size_; ++i) ++starts[(keys_[i] >> shift) & 255u];
      int64_t next = 0;
      for (int32_t digit = 255; digit >= 0; --digit) {
        const int64_t count = starts[digit];
        starts[digit] = next;
        next += count;
      }
      for (int64_t i = 0; i < size_; ++i) spare_[starts[(keys_[i] >> shift) & 255u]++] = keys_[i];
      uint32_t* const sorted = spare_;
      spare_ = keys_;
      keys_ = sorted;
    }
    size_ = Min(size_, k_);
  }

 private:
  uint32_t* keys_;
  uint32_t* spare_;
  int64_t capacity_, k_, size_ = 0;
};

struct Both {
  Selector largest, smallest;
};

inline uint32_t SmallKey(float x) { return ~math::OrderKey(x); }

// What of x passes the bars; they rise with every full buffer. Returns the number of NaN.
template <class T>
int64_t Collect(const T* x, int64_t n, int64_t k, float high, float low, Both* both) {
  Selector& largest = both->largest;
  Selector& smallest = both->smallest;
  int64_t nans = 0;
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t width = Min(kChunk, n - i);
    const T* p = x + i;
    float v[kChunk];
    int32_t above = 0, below = 0, nan = 0;
#pragma omp simd reduction(+ : above, below, nan)
    for (int64_t j = 0; j < width; ++j) {
      v[j] = math::Widen(p[j]);
      above += v[j] > high ? 1 : 0;
      below += v[j] < low ? 1 : 0;
      nan += v[j] != v[j] ? 1 : 0;
    }
    nans += nan;
    if (above > 0) {
      uint32_t* const keys = largest.end();
      int64_t size = 0;
      for (int64_t j = 0; j < width; ++j) {
        keys[size] = math::OrderKey(v[j]);
        size += v[j] > high ? 1 : 0;
      }
      largest.Grow(size);
      if (!largest.HasRoom(kChunk)) {
        largest.Keep();
        high = math::FromOrderKey(largest.keys()[k - 1]);
      }
    }
    if (below > 0) {
      uint32_t* const keys = smallest.end();
      int64_t size = 0;
      for (int64_t j = 0; j < width; ++j) {
        keys[size] = SmallKey(v[j]);
        size += v[j] < low ? 1 : 0;
      }
      smallest.Grow(size);
      if (!smallest.HasRoom(kChunk)) {
        smallest.Keep();
        low = math::FromOrderKey(~smallest.keys()[k - 1]);
      }
    }
  }
  largest.Keep();
  smallest.Keep();
  return nans;
}

// Adds a state's k values, and writes the k best of all.
void Conclude(int64_t k, const float* largest, const float* smallest, Both* both,
              float* out_largest, float* out_smallest) {
  for (int64_t i = 0; i < k; ++i) both->largest.end()[i] = math::OrderKey(largest[i]);
  for (int64_t i = 0; i < k; ++i) both->smallest.end()[i] = SmallKey(smallest[i]);
  both->largest.Grow(k);
  both->smallest.Grow(k);
  both->largest.Keep();
  both->smallest.Keep();
  for (int64_t i = 0; i < k; ++i) {
    out_largest[i] = math::FromOrderKey(both->largest.keys()[i]);
    out_smallest[i] = math::FromOrderKey(~both->smallest.keys()[i]);
  }
}

// A thread's buffers: a full one is sorted for k new values or more, and few enough that the bar rises soon.
int64_t Capacity(int64_t k) { return 2 * k + 256; }

template <class T>
qt_status TopK(qt_context& ctx, const T* x, const qt_top_k_args& args) {
  const qt_top_k_args a = args;
  const int64_t k = a.k, capacity = Capacity(k), room = 4 * capacity;
  const int64_t parts = Max(1, Min(ctx.threads, a.n / (16 * kChunk)));
  struct Part {
    Both both;
    int64_t nans;
  };
  const int64_t head = DivUp(parts * static_cast<int64_t>(sizeof(Part)), 64) * 64;
  uint8_t* const scratch = ScratchArray<uint8_t>(ctx, head + parts * room * 4);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  Part* const found = reinterpret_cast<Part*>(scratch);
  uint32_t* const keys = reinterpret_cast<uint32_t*>(scratch + head);
  ParallelBlocks(ctx, parts, 1, [=](int64_t part, int64_t, int64_t) {
    const int64_t begin = a.n * part / parts, end = a.n * (part + 1) / parts;
    uint32_t* const own = keys + part * room;
    Both both = {Selector(own, capacity, k), Selector(own + 2 * capacity, capacity, k)};
    const int64_t nans =
        Collect(x + begin, end - begin, k, a.largest[k - 1], a.smallest[k - 1], &both);
    found[part] = {both, nans};
  });
  Both& all = found[0].both;
  int64_t nans = found[0].nans;
  for (int64_t part = 1; part < parts; ++part) {
    const Both& other = found[part].both;
    memcpy(all.largest.end(), other.largest.keys(), 4 * other.largest.size());
    memcpy(all.smallest.end(), other.smallest.keys(), 4 * other.smallest.size());
    all.largest.Grow(other.largest.size());
    all.smallest.Grow(other.smallest.size());
    all.largest.Keep();
    all.smallest.Keep();
    nans += found[part].nans;
  }
  Conclude(k, a.largest, a.smallest, &all, a.largest, a.smallest);
  *a.count = math::AddInt(*a.count, a.n - nans);
  *a.nans = math::AddInt(*a.nans, nans);
  return QT_OK;
}

}  // namespace

qt_status top_k(qt_context& ctx, const qt_top_k_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return TopK(ctx, static_cast<const math::Pointed<decltype(type)>*>(a.x), a);
  });
}

qt_status merge_top_k(qt_context& ctx, const qt_merge_top_k_args& a) {
  const int64_t k = a.k, capacity = Capacity(k);
  uint32_t* const room = ScratchArray<uint32_t>(ctx, 4 * capacity);
  if (room == nullptr) return QT_OUT_OF_MEMORY;
  Both both = {Selector(room, capacity, k), Selector(room + 2 * capacity, capacity, k)};
  for (int64_t i = 0; i < k; ++i) both.largest.end()[i] = math::OrderKey(a.other_largest[i]);
  for (int64_t i = 0; i < k; ++i) both.smallest.end()[i] = SmallKey(a.other_smallest[i]);
  both.largest.Grow(k);
  both.smallest.Grow(k);
  Conclude(k, a.largest, a.smallest, &both, a.largest, a.smallest);
  *a.count = math::AddInt(*a.count, *a.other_count);
  *a.nans = math::AddInt(*a.nans, *a.other_nans);
  return QT_OK;
}

qt_status percentile_range(qt_context&, const qt_percentile_range_args& a) {
  int32_t exact = 1;
  *a.max = math::PercentileEnd(a.largest, a.k, *a.count, a.max_percentile, &exact);
  *a.min = math::PercentileEnd(a.smallest, a.k, *a.count, a.min_percentile, &exact);
  *a.exact = exact;
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
