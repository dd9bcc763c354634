// Walking an NHWC tensor: a thread takes `width` neighbouring channels of a pixel per step and
// strides by the grid. The position moves along with carries, so only the first one needs a
// division.
#ifndef QUANTRAIN_CUDA_DEVICE_POOL_H_
#define QUANTRAIN_CUDA_DEVICE_POOL_H_

#include "cuda/launch.h"
#include "math/window.h"

namespace qt::cuda {

// Sizes of a checked window are below 2^31.
struct PixelExtent {
  uint32_t n, h, w, groups;  // groups of channels
};

struct PixelWalk {
  uint32_t n, h, w, group;                      // where the thread is
  uint32_t step_n, step_h, step_w, step_group;  // the grid's stride in the same digits

  __device__ explicit PixelWalk(const PixelExtent& e) {
    Digits(blockIdx.x * kThreads + threadIdx.x, e, &n, &h, &w, &group);
    Digits(gridDim.x * kThreads, e, &step_n, &step_h, &step_w, &step_group);
  }

  __device__ bool Inside(const PixelExtent& e) const { return n < e.n; }

  __device__ void Next(const PixelExtent& e) {
    group += step_group;
    w += step_w;
    h += step_h;
    n += step_n;
    if (group >= e.groups) {
      group -= e.groups;
      ++w;
    }
    if (w >= e.w) {
      w -= e.w;
      ++h;
    }
    if (h >= e.h) {
      h -= e.h;
      ++n;
    }
  }

  // Index of the position's pixel.
  __device__ int64_t Pixel(const PixelExtent& e) const {
    return (static_cast<int64_t>(n) * e.h + h) * e.w + w;
  }

 private:
  __device__ static void Digits(uint32_t at, const PixelExtent& e, uint32_t* n, uint32_t* h,
                                uint32_t* w, uint32_t* group) {
    *group = at % e.groups;
    at /= e.groups;
    *w = at % e.w;
    at /= e.w;
    *h = at % e.h;
    *n = at / e.h;
  }
};

// Blocks for a walk over extent, which is not empty.
inline unsigned BlocksForPixels(const PixelExtent& e) {
  const int64_t threads = static_cast<int64_t>(e.n) * e.h * e.w * e.groups;
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

inline PixelExtent Pixels(int64_t n, int64_t h, int64_t w, int64_t groups) {
  return {static_cast<uint32_t>(n), static_cast<uint32_t>(h), static_cast<uint32_t>(w),
          static_cast<uint32_t>(groups)};
}
// The outputs and the inputs of a window op, `width` channels at a time.
inline PixelExtent OutputPixels(const qt_window& w, int width) {
  return Pixels(w.n, w.p, w.q, w.c / width);
}
inline PixelExtent InputPixels(const qt_window& w, int width) {
  return Pixels(w.n, w.h, w.w, w.c / width);
}

// Cells of the window at output (p, q) that lie inside the input.
struct WindowCells {
  math::Span rows, cols;
};

__device__ inline WindowCells CellsOf(const qt_window& w, int64_t p, int64_t q) {
  return {math::CellsInside(p, w.stride_h, w.pad_top, w.kernel_h, w.h),
          math::CellsInside(q, w.stride_w, w.pad_left, w.kernel_w, w.w)};
}

// Element offset of cell (0, 0) of the window at (n, p, q), channel 0, even where that lies in the
// padding.
__device__ inline int64_t WindowOrigin(const qt_window& w, int64_t n, int64_t p, int64_t q) {
  return ((n * w.h + p * w.stride_h - w.pad_top) * w.w + q * w.stride_w - w.pad_left) * w.c;
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_POOL_H_
