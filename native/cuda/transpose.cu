// transpose: NHWC to NCHW and back, a matrix transpose per image.
//
// Parallel mapping: a block moves a square tile through shared memory, so that reads and writes are
// both rows of neighbouring elements, and strides over the tiles of all images. The tile's rows are
// one element longer than they need to be: a column then touches every bank of shared memory.
#include "cuda/kernels.h"
#include "cuda/launch.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

constexpr int kTile = 64;

// y[cols][rows] = x[rows][cols] for each of `images`.
template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    TransposeKernel(const T* x, T* y, int64_t images, int64_t rows, int64_t cols) {
  __shared__ T tile[kTile * (kTile + 1)];
  const int64_t bands = (rows + kTile - 1) / kTile;
  const int64_t stacks = (cols + kTile - 1) / kTile;
  const int64_t tiles = images * bands * stacks;
  const int inner = static_cast<int>(threadIdx.x) % kTile;
  const int first = static_cast<int>(threadIdx.x) / kTile;
  constexpr int kStep = kThreads / kTile;
  for (int64_t at = blockIdx.x; at < tiles; at += gridDim.x) {
    const int64_t band_of_image = at / stacks;
    const int64_t image = band_of_image / bands;
    const int64_t r0 = (band_of_image - image * bands) * kTile;
    const int64_t c0 = (at - band_of_image * stacks) * kTile;
    const T* from = x + image * rows * cols;
    T* to = y + image * rows * cols;
    const int height = static_cast<int>(rows - r0 < kTile ? rows - r0 : kTile);
    const int width = static_cast<int>(cols - c0 < kTile ? cols - c0 : kTile);
    __syncthreads();  // the tile before has been written
    if (inner < width) {
      for (int r = first; r < height; r += kStep) {
        tile[r * (kTile + 1) + inner] = from[(r0 + r) * cols + c0 + inner];
      }
    }
    __syncthreads();
    if (inner < height) {
      for (int c = first; c < width; c += kStep) {
        to[(c0 + c) * rows + r0 + inner] = tile[inner * (kTile + 1) + c];
      }
    }
  }
}

template <class T>
cudaError_t Transpose(const Stream& stream, const qt_transpose_args& args) {
  const int64_t pixels = args.h * args.w;
  const int64_t rows = args.to_nchw != 0 ? pixels : args.c;
  const int64_t cols = args.to_nchw != 0 ? args.c : pixels;
  const int64_t tiles =
      args.n * ((rows + kTile - 1) / kTile) * ((cols + kTile - 1) / kTile);
  if (tiles == 0) return cudaSuccess;
  return Launch(stream, dim3(static_cast<unsigned>(tiles < kMaxBlocks ? tiles : kMaxBlocks)),
                TransposeKernel<T>, static_cast<const T*>(args.x), static_cast<T*>(args.y), args.n,
                rows, cols);
}

}  // namespace

cudaError_t transpose(const Stream& stream, const qt_transpose_args& args) {
  return math::WithElementBytes(args.element_bytes, [&](auto* type) {
    return Transpose<math::Pointed<decltype(type)>>(stream, args);
  });
}

}  // namespace qt::cuda
