// strided_copy: the bits of cpu/strided_copy.cc. A thread takes an element, in the order of the output.
// Where the input's neighbours lie along another dimension, a block moves square tiles over both through
// shared memory, so that reads and writes are both rows of neighbours (as in transpose.cu).
#include "cuda/device/strided.h"
#include "cuda/kernels.h"
#include "math/element_bytes.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class T>
struct Copy {
  const T* x;
  T* y;
  __device__ void Apply(int64_t, const int64_t (&offset)[2]) const { y[offset[1]] = x[offset[0]]; }
};

template <class T>
struct Fill {
  T fill;
  T* y;
  __device__ void Apply(int64_t, const int64_t (&offset)[2]) const { y[offset[1]] = fill; }
};

constexpr int kTile = 64;

// rows: neighbours of y; columns: neighbours of x. x_row: from row to row of x; y_column likewise.
struct Tiles {
  int64_t rows, columns, x_row, y_column;

  __host__ __device__ int64_t bands() const { return (rows + kTile - 1) / kTile; }
  __host__ __device__ int64_t stacks() const { return (columns + kTile - 1) / kTile; }
};

template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    CopyTilesKernel(const T* x, T* y, math::Strided<2> others, Tiles t, int64_t tiles) {
  __shared__ T tile[kTile * (kTile + 1)];
  const int inner = static_cast<int>(threadIdx.x) % kTile;
  const int first = static_cast<int>(threadIdx.x) / kTile;
  constexpr int kStep = kThreads / kTile;
  for (int64_t at = blockIdx.x; at < tiles; at += gridDim.x) {
    const int64_t band_of_matrix = at / t.stacks();
    const int64_t matrix = band_of_matrix / t.bands();
    const int64_t r0 = (band_of_matrix - matrix * t.bands()) * kTile;
    const int64_t c0 = (at - band_of_matrix * t.stacks()) * kTile;
    int64_t offset[2];
    OffsetsOf(others, matrix, offset);
    const T* from = x + offset[0];
    T* to = y + offset[1];
    const int height = static_cast<int>(t.rows - r0 < kTile ? t.rows - r0 : kTile);
    const int width = static_cast<int>(t.columns - c0 < kTile ? t.columns - c0 : kTile);
    __syncthreads();  // the tile before has been written
    if (inner < width) {
      for (int r = first; r < height; r += kStep) {
        tile[r * (kTile + 1) + inner] = from[(r0 + r) * t.x_row + c0 + inner];
      }
    }
    __syncthreads();
    if (inner < height) {
      for (int c = first; c < width; c += kStep) {
        to[(c0 + c) * t.y_column + r0 + inner] = tile[inner * (kTile + 1) + c];
      }
    }
  }
}

template <class T>
cudaError_t CopyAll(const Stream& stream, const qt_strided_copy_args& args) {
  math::Strided<2> s = math::CopyWalk(args);
  T* y = static_cast<T*>(args.y);
  if (args.x == nullptr) return ForStrided(stream, Fill<T>{static_cast<T>(args.fill_bits), y}, s);
  const T* x = static_cast<const T*>(args.x);
  const int transposed = math::TransposedDim(s);
  if (transposed == 0 || s.elements() == 0) return ForStrided(stream, Copy<T>{x, y}, s);
  const Tiles t = {s.size[0], s.size[transposed], s.stride[0][0], s.stride[1][transposed]};
  s.size[0] = s.size[transposed] = 1;
  const int64_t tiles = s.elements() * t.bands() * t.stacks();
  return Launch(stream, dim3(static_cast<unsigned>(tiles < kMaxBlocks ? tiles : kMaxBlocks)),
                CopyTilesKernel<T>, x, y, s, t, tiles);
}

}  // namespace

cudaError_t strided_copy(const Stream& stream, const qt_strided_copy_args& args) {
  return math::WithElementBytes(args.element_bytes, [&](auto* type) {
    return CopyAll<math::Pointed<decltype(type)>>(stream, args);
  });
}

}  // namespace qt::cuda
