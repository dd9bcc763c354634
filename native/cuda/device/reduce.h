// Reductions per channel of a [outer, channels, inner] tensor, in a fixed order, without atomics:
// a block reduces one part of up to kThreads neighbouring channels, a second kernel combines the
// parts of a channel. The order depends on the shape only, never on the device or on timing.
//
// A Reducer is a plain struct:
//   Total                                     what is accumulated; a POD of at most 64 bytes
//   Total Zero() const
//   void Add(Total*, int64_t element, int64_t channel) const   element: index into the tensor
//   Total Combine(Total a, Total b) const     a stands before b
//   void Store(int64_t channel, Total) const  once per channel
// Add may write outputs of its element as well: each element is visited exactly once.
#ifndef QUANTRAIN_CUDA_DEVICE_REDUCE_H_
#define QUANTRAIN_CUDA_DEVICE_REDUCE_H_

#include "cuda/launch.h"

namespace qt::cuda {

// Parts of a reduction are at most this many; elements of a part are at least kPartElements.
constexpr int64_t kMaxParts = 1024;
constexpr int64_t kPartElements = 4096;

// [rows, channels]: a block takes `width` channels from column.y * kThreads on; kThreads / width
// threads share a column and take every such row of the block's part.
struct ReduceShape {
  int64_t outer, channels, inner;
  int64_t parts, part_items;  // items of a part: rows, or elements of a channel
};

// Sums the threads of a block that hold the same column: totals[copy * width + column], copies in
// a fixed tree. Every thread of the block calls it.
template <class R>
__device__ inline void CombineCopies(const R& reducer, typename R::Total* totals, int width,
                                     int copies) {
  const int thread = static_cast<int>(threadIdx.x);
  int count = copies;
  while (count > 1) {
    const int half = (count + 1) / 2;
    __syncthreads();
    if (thread + half * width < count * width) {
      totals[thread] = reducer.Combine(totals[thread], totals[thread + half * width]);
    }
    count = half;
  }
  __syncthreads();
}

// inner = 1. blockIdx.x: part; blockIdx.y: group of kThreads columns.
template <class R>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ReduceColumnsKernel(R reducer, ReduceShape s, typename R::Total* partials) {
  using Total = typename R::Total;
  __shared__ Total totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kThreads;
  const int64_t left = s.channels - first;
  const int width = static_cast<int>(left < kThreads ? left : kThreads);
  const int copies = kThreads / width;
  const int copy = thread / width;
  const int64_t channel = first + thread % width;
  for (int64_t part = blockIdx.x; part < s.parts; part += gridDim.x) {
    Total total = reducer.Zero();
    if (copy < copies) {
      const int64_t begin = part * s.part_items;
      const int64_t end = begin + s.part_items < s.outer ? begin + s.part_items : s.outer;
      for (int64_t row = begin + copy; row < end; row += copies) {
        reducer.Add(&total, row * s.channels + channel, channel);
      }
    }
    __syncthreads();  // the part before has been read
    totals[thread] = total;
    CombineCopies(reducer, totals, width, copies);
    if (thread < width) {
      if (s.parts == 1) {
        reducer.Store(channel, totals[thread]);
      } else {
        partials[channel * s.parts + part] = totals[thread];
      }
    }
  }
}

// inner > 1, or one channel.
template <class R>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ReducePlanesKernel(R reducer, ReduceShape s, typename R::Total* partials) {
  using Total = typename R::Total;
  __shared__ Total totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t length = s.outer * s.inner;
  const int64_t work = s.parts * s.channels;  // a block strides over (channel, part)
  // kThreads elements of a channel further: whole planes and a rest.
  const int64_t plane_gap = (s.channels - 1) * s.inner;
  const int64_t step_rest = kThreads % s.inner;
  const int64_t step = kThreads / s.inner * (s.channels * s.inner) + step_rest;
  for (int64_t at = blockIdx.x; at < work; at += gridDim.x) {
    const int64_t channel = at / s.parts, part = at - channel * s.parts;
    const int64_t begin = part * s.part_items;
    const int64_t end = begin + s.part_items < length ? begin + s.part_items : length;
    Total total = reducer.Zero();
    const int64_t first = begin + thread;
    const int64_t outer = first / s.inner;
    int64_t rest = first - outer * s.inner;
    int64_t element = (outer * s.channels + channel) * s.inner + rest;
    for (int64_t j = first; j < end; j += kThreads) {
      reducer.Add(&total, element, channel);
      rest += step_rest;
      element += step;
      if (rest >= s.inner) {  // into the next plane of this channel
        rest -= s.inner;
        element += plane_gap;
      }
    }
    __syncthreads();  // the totals before have been read
    totals[thread] = total;
    CombineCopies(reducer, totals, 1, kThreads);
    if (thread == 0) {
      if (s.parts == 1) {
        reducer.Store(channel, totals[0]);
      } else {
        partials[at] = totals[0];
      }
    }
  }
}

// Channels of at most kThreads elements, one part each. `copies`, a power of two, neighbouring threads
// share a channel, so that a warp reads neighbouring elements.
template <class R>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ReduceSmallKernel(R reducer, ReduceShape s, int copies) {
  using Total = typename R::Total;
  __shared__ Total totals[kThreads];
  const int width = kThreads / copies, thread = static_cast<int>(threadIdx.x);
  const int column = thread / copies, copy = thread % copies;
  const int64_t length = s.outer * s.inner;
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * width; base < s.channels;
       base += static_cast<int64_t>(gridDim.x) * width) {
    const int64_t channel = base + column;
    Total total = reducer.Zero();
    for (int64_t j = copy; channel < s.channels && j < length; j += copies) {
      const int64_t outer = s.outer == 1 ? 0 : j / s.inner;
      reducer.Add(&total, (outer * s.channels + channel) * s.inner + (j - outer * s.inner),
                  channel);
    }
    __syncthreads();  // the totals before have been read
    totals[copy * width + column] = total;
    CombineCopies(reducer, totals, width, copies);
    if (thread < width && base + thread < s.channels) {
      reducer.Store(base + thread, totals[thread]);
    }
  }
}

// Combines the parts of a channel; a block takes every gridDim.x-th channel.
template <class R>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    CombinePartsKernel(R reducer, ReduceShape s, const typename R::Total* partials) {
  using Total = typename R::Total;
  __shared__ Total totals[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  for (int64_t channel = blockIdx.x; channel < s.channels; channel += gridDim.x) {
    Total total = reducer.Zero();
    for (int64_t part = thread; part < s.parts; part += kThreads) {
      total = reducer.Combine(total, partials[channel * s.parts + part]);
    }
    __syncthreads();
    totals[thread] = total;
    CombineCopies(reducer, totals, 1, kThreads);
    if (thread == 0) reducer.Store(channel, totals[0]);
  }
}

// Parts for totals of this many bytes, which the workspace holds. Parts begin at multiples of 4.
inline ReduceShape ShapeOf(int64_t outer, int64_t channels, int64_t inner, int64_t total_bytes) {
  const bool columns = inner == 1 && channels > 1;
  const int64_t items = columns ? outer : outer * inner;  // per channel
  ReduceShape s = {items == 0 ? 0 : outer, channels, items == 0 ? 1 : inner, 1, 0};
  const int64_t item_width = columns ? (channels < kThreads ? channels : kThreads) : 1;
  int64_t parts = items * item_width / kPartElements;
  const int64_t fits = kWorkspaceBytes / total_bytes / channels;
  if (parts > kMaxParts) parts = kMaxParts;
  // Enough blocks are enough: many channels need fewer parts each.
  const int64_t groups = columns ? (channels + kThreads - 1) / kThreads : channels;
  const int64_t wanted = (kMaxParts + groups - 1) / groups;
  if (parts > wanted) parts = wanted;
  if (parts > fits) parts = fits;
  if (parts < 1) parts = 1;
  s.part_items = items == 0 ? 4 : ((items + parts - 1) / parts + 3) / 4 * 4;
  s.parts = items == 0 ? 1 : (items + s.part_items - 1) / s.part_items;
  return s;
}

// Blocks of the first kernel: (part, group of kThreads columns), or channels and parts in x.
inline dim3 BlocksOf(const ReduceShape& s) {
  if (s.inner == 1 && s.channels > 1) {
    return dim3(static_cast<unsigned>(s.parts),
                static_cast<unsigned>((s.channels + kThreads - 1) / kThreads));
  }
  const int64_t work = s.parts * s.channels;
  return dim3(static_cast<unsigned>(work < 65536 ? work : 65536));
}

template <class R>
cudaError_t CombineParts(const Stream& stream, const R& reducer, const ReduceShape& s) {
  if (s.parts == 1) return cudaSuccess;
  using Total = typename R::Total;
  const unsigned blocks = static_cast<unsigned>(s.channels < kMaxBlocks ? s.channels : kMaxBlocks);
  return Launch(stream, dim3(blocks), CombinePartsKernel<R>, reducer, s,
                static_cast<const Total*>(stream.workspace));
}

// Reduces and stores every channel; Store is called with Zero() where a channel has no element.
template <class R>
cudaError_t ReduceChannels(const Stream& stream, const R& reducer, int64_t outer, int64_t channels,
                           int64_t inner) {
  using Total = typename R::Total;
  static_assert(sizeof(Total) <= 64, "a block's totals must fit into shared memory");
  if (channels == 0) return cudaSuccess;
  const ReduceShape s = ShapeOf(outer, channels, inner, sizeof(Total));
  const int64_t items = s.outer * s.inner;
  if (inner > 1 && items <= kThreads && channels >= kThreads) {
    int copies = 1;
    while (4 * copies < items) copies *= 2;
    const int64_t width = kThreads / copies, blocks = (channels + width - 1) / width;
    return Launch(stream, dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks)),
                  ReduceSmallKernel<R>, reducer, s, copies);
  }
  Total* partials = static_cast<Total*>(stream.workspace);
  const cudaError_t status =
      inner == 1 && channels > 1
          ? Launch(stream, BlocksOf(s), ReduceColumnsKernel<R>, reducer, s, partials)
          : Launch(stream, BlocksOf(s), ReducePlanesKernel<R>, reducer, s, partials);
  return status == cudaSuccess ? CombineParts(stream, reducer, s) : status;
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_REDUCE_H_
