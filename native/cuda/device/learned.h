// Kernels of the quantizers with learned values: math/learned.h over a [outer, channels, inner]
// tensor in one pass, sums per channel included, in the parts and the order of reduce.h. A block
// takes one part of a channel, 4 consecutive elements per thread and step in one access; or, with
// inner = 1, one part of the rows, where a thread stays in one channel and takes 4 rows per step.
// What an element needs of its channel is computed once per thread. A forward kernel has no sums
// and stops there. Outputs may be inputs (a thread writes where it read), so nothing is __restrict__.
#ifndef QUANTRAIN_CUDA_DEVICE_LEARNED_H_
#define QUANTRAIN_CUDA_DEVICE_LEARNED_H_

#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "math/bf16.h"
#include "math/learned.h"

namespace qt::cuda {

template <class Args>
struct LearnedReducer {
  static constexpr int kSums = math::Learned<Args>::kSums;
  struct Total {
    float sums[kSums > 0 ? kSums : 1];
  };
  Args args;

  __device__ Total Zero() const {
    Total total;
#pragma unroll
    for (int k = 0; k < (kSums > 0 ? kSums : 1); ++k) total.sums[k] = 0.0f;
    return total;
  }
  __device__ Total Combine(Total a, const Total& b) const {
#pragma unroll
    for (int k = 0; k < kSums; ++k) a.sums[k] += b.sums[k];
    return a;
  }
  __device__ void Store(int64_t channel, const Total& total) const {
    math::Store(args, channel, math::Load(args, channel), total.sums);
  }
};

// X: where x comes from, a pointer or Computed.
template <class Args, class T, class X = const T*>
struct LearnedTask {
  LearnedReducer<Args> reducer;
  X x;
  const T* dy;  // null in a forward kernel
  T* out;       // or null
  ReduceShape shape;
  bool four;    // 4 consecutive elements can be one access
};

// x that an Op computes: element i by op(i), and 4 from there on at once by op.FourAt(i).
template <class Op>
struct Computed {
  Op op;
  __device__ float operator[](int64_t i) const { return op(i); }
};

template <class T>
__device__ inline Four<T> FourOf(const T* x, int64_t i) {
  return LoadPack<4>(x + i);
}
template <class Op>
__device__ inline Four<float> FourOf(const Computed<Op>& x, int64_t i) {
  return x.op.FourAt(i);
}

// One element; total is added to.
template <class Args, class T, class X>
__device__ inline T LearnedElement(const LearnedTask<Args, T, X>& t, T x, T dy,
                                   const typename math::Learned<Args>::Value& value,
                                   typename LearnedReducer<Args>::Total* total) {
  constexpr int kSums = math::Learned<Args>::kSums;
  const math::Term term = math::Apply(t.reducer.args, math::Widen(x), math::Widen(dy), value);
  T out;
  math::Narrow(term.out, &out);
#pragma unroll
  for (int k = 0; k < kSums; ++k) total->sums[k] += term.sum[k];
  return out;
}

// inner = 1. blockIdx.x: part; blockIdx.y: group of kThreads columns.
template <class Args, class T>
__global__ void __launch_bounds__(kThreads, 2)
    LearnedColumnsKernel(LearnedTask<Args, T> t, typename LearnedReducer<Args>::Total* partials) {
  using Total = typename LearnedReducer<Args>::Total;
  constexpr bool kReduces = math::Learned<Args>::kSums > 0;
  __shared__ Total totals[kThreads];
  const ReduceShape& s = t.shape;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kThreads;
  const int64_t left = s.channels - first;
  const int width = static_cast<int>(left < kThreads ? left : kThreads);
  const int copies = kThreads / width;
  const int copy = thread / width;
  const int64_t channel = first + thread % width;
  const typename math::Learned<Args>::Value value = math::Load(t.reducer.args, channel);
  for (int64_t part = blockIdx.x; part < s.parts; part += gridDim.x) {
    Total total = t.reducer.Zero();
    if (copy < copies) {
      const int64_t begin = part * s.part_items;
      const int64_t end = begin + s.part_items < s.outer ? begin + s.part_items : s.outer;
      for (int64_t row = begin + copy; row < end; row += 4 * copies) {
        const int64_t at = row * s.channels + channel, step = copies * s.channels;
        Four<T> x, dy;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          const bool exists = row + k * copies < end;
          x.v[k] = exists ? t.x[at + k * step] : T();
          dy.v[k] = kReduces && exists ? t.dy[at + k * step] : T();
        }
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          if (row + k * copies < end) {
            const T out = LearnedElement(t, x.v[k], dy.v[k], value, &total);
            if (t.out != nullptr) t.out[at + k * step] = out;
          }
        }
      }
    }
    if (!kReduces) continue;
    __syncthreads();  // the part before has been read
    totals[thread] = total;
    CombineCopies(t.reducer, totals, width, copies);
    if (thread < width) {
      if (s.parts == 1) {
        t.reducer.Store(channel, totals[thread]);
      } else {
        partials[channel * s.parts + part] = totals[thread];
      }
    }
  }
}

// inner > 1, or one channel. A block strides over (channel, part).
template <class Args, class T, class X>
__global__ void __launch_bounds__(kThreads, 2)
    LearnedPlanesKernel(LearnedTask<Args, T, X> t, typename LearnedReducer<Args>::Total* partials) {
  using Total = typename LearnedReducer<Args>::Total;
  constexpr bool kReduces = math::Learned<Args>::kSums > 0;
  __shared__ Total totals[kThreads];
  const ReduceShape& s = t.shape;
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t length = s.outer * s.inner;
  const int64_t work = s.parts * s.channels;
  for (int64_t at = blockIdx.x; at < work; at += gridDim.x) {
    const int64_t channel = at / s.parts, part = at - channel * s.parts;
    const int64_t begin = part * s.part_items;
    const int64_t end = begin + s.part_items < length ? begin + s.part_items : length;
    const typename math::Learned<Args>::Value value = math::Load(t.reducer.args, channel);
    Total total = t.reducer.Zero();
    for (int64_t j = begin + 4 * thread; j < end; j += 4 * kThreads) {
      // Element j of the channel, and whether the next three follow it in memory.
      const int64_t outer = s.channels == 1 ? 0 : j / s.inner;
      const int64_t i = (outer * s.channels + channel) * s.inner + (j - outer * s.inner);
      if (t.four && j + 4 <= end) {
        const Four<T> x = FourOf(t.x, i);
        Four<T> dy = x;
        if (kReduces) dy = LoadPack<4>(t.dy + i);
        Four<T> out;
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          out.v[k] = LearnedElement(t, x.v[k], dy.v[k], value, &total);
        }
        if (t.out != nullptr) StorePack<4>(t.out + i, out);
        continue;
      }
      const int64_t stop = j + 4 < end ? j + 4 : end;
      for (int64_t e = j; e < stop; ++e) {
        const int64_t o = s.channels == 1 ? 0 : e / s.inner;
        const int64_t p = (o * s.channels + channel) * s.inner + (e - o * s.inner);
        const T out = LearnedElement(t, t.x[p], kReduces ? t.dy[p] : T(), value, &total);
        if (t.out != nullptr) t.out[p] = out;
      }
    }
    if (!kReduces) continue;
    __syncthreads();  // the totals before have been read
    totals[thread] = total;
    CombineCopies(t.reducer, totals, 1, kThreads);
    if (thread == 0) {
      if (s.parts == 1) {
        t.reducer.Store(channel, totals[0]);
      } else {
        partials[at] = totals[0];
      }
    }
  }
}

template <class T, class Args>
cudaError_t LaunchLearned(const Stream& stream, const Args& a, const void* dy, void* out) {
  using Reducer = LearnedReducer<Args>;
  using Total = typename Reducer::Total;
  LearnedTask<Args, T, const T*> t = {{a},
                                      static_cast<const T*>(a.x),
                                      static_cast<const T*>(dy),
                                      static_cast<T*>(out),
                                      ShapeOf(a.outer, a.channels, a.inner, sizeof(Total)),
                                      false};
  t.four = (a.channels == 1 || a.inner % 4 == 0) && AlignedForFour(t.x) && AlignedForFour(t.dy) &&
           AlignedForFour(t.out);
  Total* partials = static_cast<Total*>(stream.workspace);
  const cudaError_t status =
      a.inner == 1 && a.channels > 1
          ? Launch(stream, BlocksOf(t.shape), LearnedColumnsKernel<Args, T>, t, partials)
          : Launch(stream, BlocksOf(t.shape), LearnedPlanesKernel<Args, T, const T*>, t, partials);
  if (status != cudaSuccess || Reducer::kSums == 0) return status;
  return CombineParts(stream, t.reducer, t.shape);
}

// dy null: a forward kernel.
template <class Args>
cudaError_t LearnedKernel(const Stream& stream, const Args& a, const void* dy, void* out) {
  if (a.channels == 0) return cudaSuccess;
  return a.element_type == QT_ELEMENT_BF16 ? LaunchLearned<math::Bf16>(stream, a, dy, out)
                                           : LaunchLearned<float>(stream, a, dy, out);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_LEARNED_H_
