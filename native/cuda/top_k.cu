// The k largest and k smallest values, exactly, without a word to the host: a radix selection finds
// the k-th key, byte by byte from the top, with counts in integer atomics; what lies above it is
// collected in any order and sorted by one block, which makes the order of atomics invisible. The
// smallest values are the largest complemented keys. Values that do not pass the state's k-th are
// only read.
#include "math/top_k.h"

#include "cuda/device/rows.h"
#include "math/integer.h"
#include "cuda/kernels.h"
#include "math/bf16.h"

namespace qt::cuda {
namespace {

constexpr int64_t kMostKeys = 16384;  // largest k; keys are sorted as a power of two

// In the workspace.
struct Selection {
  unsigned histogram[2][256];
  uint32_t prefix[2];     // leading bytes of the k-th key, as far as known
  uint32_t remaining[2];  // how many keys with this prefix belong to the k largest
  unsigned found[2];
  unsigned nans;
  uint32_t keys[2][kMostKeys];
};
static_assert(sizeof(Selection) <= kWorkspaceBytes, "a selection must fit into the workspace");

// Batch and state of both sides; side 0 is that of the largest values.
template <class T>
struct Source {
  const T* batch[2];
  const float* state[2];
  int64_t n;
  int32_t k;
};

__device__ inline uint32_t SideKey(float x, int side) {
  const uint32_t key = math::OrderKey(x);
  return side == 0 ? key : ~key;
}

// Calls f(side, key) for the state's keys and for those of the batch that pass the state's last.
// Returns the thread's number of NaN in the batch.
template <class T, class F>
__device__ inline unsigned ForKeys(const Source<T>& s, F f) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  unsigned nans = 0;
  for (int side = 0; side < 2; ++side) {
    for (int64_t i = first; i < s.k; i += stride) f(side, SideKey(s.state[side][i], side));
    const uint32_t bar = SideKey(s.state[side][s.k - 1], side);
    for (int64_t i = first; i < s.n; i += stride) {
      const float v = math::Widen(s.batch[side][i]);
      if (v != v) {
        nans += side == 0 ? 1 : 0;
        continue;
      }
      const uint32_t key = SideKey(v, side);
      if (key > bar) f(side, key);
    }
  }
  return nans;
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) StartKernel(Selection* selection, int32_t k) {
  const int thread = static_cast<int>(threadIdx.x);
  for (int side = 0; side < 2; ++side) selection->histogram[side][thread] = 0;
  if (thread < 2) {
    selection->prefix[thread] = 0;
    selection->remaining[thread] = static_cast<uint32_t>(k);
    selection->found[thread] = 0;
  }
  if (thread == 0) selection->nans = 0;
}

// Counts the byte at shift of the keys that begin with the prefix.
template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    CountBytesKernel(Source<T> source, Selection* selection, int32_t shift) {
  __shared__ unsigned counts[2][256];
  const int thread = static_cast<int>(threadIdx.x);
  counts[0][thread] = 0;
  counts[1][thread] = 0;
  __syncthreads();
  const unsigned nans = ForKeys(source, [=](int side, uint32_t key) {
    const bool same = shift == 24 || key >> (shift + 8) == selection->prefix[side];
    if (same) atomicAdd(&counts[side][(key >> shift) & 255u], 1u);
  });
  if (shift == 24 && nans != 0) atomicAdd(&selection->nans, nans);
  __syncthreads();
  for (int side = 0; side < 2; ++side) {
    const unsigned count = counts[side][thread];
    if (count != 0) atomicAdd(&selection->histogram[side][thread], count);
  }
}

// The byte in which the k-th key lies; a thread per side walks the 256 counts.
__global__ void __launch_bounds__(kThreads, kMinBlocks) NextByteKernel(Selection* selection) {
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < 2) {
    uint32_t remaining = selection->remaining[thread];
    int byte = 255;
    while (selection->histogram[thread][byte] < remaining) {
      remaining -= selection->histogram[thread][byte];
      --byte;
    }
    selection->remaining[thread] = remaining;
    selection->prefix[thread] = selection->prefix[thread] << 8 | static_cast<uint32_t>(byte);
  }
  __syncthreads();
  for (int side = 0; side < 2; ++side) selection->histogram[side][thread] = 0;
}

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    CollectKernel(Source<T> source, Selection* selection) {
  ForKeys(source, [=](int side, uint32_t key) {
    if (key > selection->prefix[side]) {
      selection->keys[side][atomicAdd(&selection->found[side], 1u)] = key;
    }
  });
}

// One block per side (blockIdx.y): the k-th key as often as it is missing, and a bitonic sort,
// descending.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    SortKernel(Selection* selection, float* largest, float* smallest, int32_t k) {
  if (blockIdx.x != 0) return;
  const int side = static_cast<int>(blockIdx.y), thread = static_cast<int>(threadIdx.x);
  uint32_t* keys = selection->keys[side];
  int32_t size = 1;
  while (size < k) size *= 2;
  for (int32_t i = static_cast<int32_t>(selection->found[side]) + thread; i < size; i += kThreads) {
    keys[i] = i < k ? selection->prefix[side] : 0u;
  }
  __syncthreads();
  for (int32_t run = 2; run <= size; run *= 2) {
    for (int32_t distance = run / 2; distance > 0; distance /= 2) {
      for (int32_t pair = thread; pair < size / 2; pair += kThreads) {
        const int32_t low = pair % distance, i = (pair - low) * 2 + low, j = i + distance;
        const bool descending = (i & run) == 0;
        const uint32_t a = keys[i], b = keys[j];
        if ((a < b) == descending) {
          keys[i] = b;
          keys[j] = a;
        }
      }
      __syncthreads();
    }
  }
  for (int32_t i = thread; i < k; i += kThreads) {
    if (side == 0) {
      largest[i] = math::FromOrderKey(keys[i]);
    } else {
      smallest[i] = math::FromOrderKey(~keys[i]);
    }
  }
}

// Adds the batch's counts, or those of another state.
struct AddTotals {
  const Selection* selection;
  int64_t n;
  const int64_t* other_count;
  const int64_t* other_nans;
  int64_t* count;
  int64_t* nans;
  __device__ void operator()(int64_t) const {
    const int64_t batch_nans = static_cast<int64_t>(selection->nans);
    *count = math::AddInt(*count, other_count != nullptr ? *other_count : n - batch_nans);
    *nans = math::AddInt(*nans, other_nans != nullptr ? *other_nans : batch_nans);
  }
};

// The new state of both sides, in place: it is read before the last kernel writes it.
template <class T>
cudaError_t Select(const Stream& stream, const Source<T>& source, float* largest, float* smallest) {
  Selection* const selection = static_cast<Selection*>(stream.workspace);
  const unsigned blocks = BlocksFor(source.n + source.k);
  cudaError_t status = Launch(stream, dim3(1), StartKernel, selection, source.k);
  for (int32_t shift = 24; shift >= 0 && status == cudaSuccess; shift -= 8) {
    status = Launch(stream, dim3(blocks), CountBytesKernel<T>, source, selection, shift);
    if (status == cudaSuccess) status = Launch(stream, dim3(1), NextByteKernel, selection);
  }
  if (status != cudaSuccess) return status;
  status = Launch(stream, dim3(blocks), CollectKernel<T>, source, selection);
  if (status != cudaSuccess) return status;
  return Launch(stream, dim3(1, 2), SortKernel, selection, largest, smallest, source.k);
}

template <class T>
cudaError_t TopK(const Stream& stream, const qt_top_k_args& a) {
  const T* x = static_cast<const T*>(a.x);
  const cudaError_t status = Select(
      stream, Source<T>{{x, x}, {a.largest, a.smallest}, a.n, a.k}, a.largest, a.smallest);
  if (status != cudaSuccess) return status;
  const Selection* selection = static_cast<const Selection*>(stream.workspace);
  return ForChannels(stream, AddTotals{selection, a.n, nullptr, nullptr, a.count, a.nans}, 1);
}

struct PercentileRange {
  qt_percentile_range_args a;
  __device__ void operator()(int64_t) const {
    int32_t exact = 1;
    *a.max = math::PercentileEnd(a.largest, a.k, *a.count, a.max_percentile, &exact);
    *a.min = math::PercentileEnd(a.smallest, a.k, *a.count, a.min_percentile, &exact);
    *a.exact = exact;
  }
};

}  // namespace

cudaError_t top_k(const Stream& stream, const qt_top_k_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? TopK<math::Bf16>(stream, a) : TopK<float>(stream, a);
}

cudaError_t merge_top_k(const Stream& stream, const qt_merge_top_k_args& a) {
  const Source<float> source = {
      {a.other_largest, a.other_smallest}, {a.largest, a.smallest}, a.k, a.k};
  const cudaError_t status = Select(stream, source, a.largest, a.smallest);
  if (status != cudaSuccess) return status;
  const Selection* selection = static_cast<const Selection*>(stream.workspace);
  return ForChannels(
      stream, AddTotals{selection, 0, a.other_count, a.other_nans, a.count, a.nans}, 1);
}

cudaError_t percentile_range(const Stream& stream, const qt_percentile_range_args& a) {
  return ForChannels(stream, PercentileRange{a}, 1);
}

}  // namespace qt::cuda
