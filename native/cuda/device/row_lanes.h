// Half a warp takes a row of [rows, n], lane j the elements j, j + 16, ...: the CPU's order of summation.
// All lanes of a warp take part in every shuffle, those without a row with no elements.
#ifndef QUANTRAIN_CUDA_DEVICE_ROW_LANES_H_
#define QUANTRAIN_CUDA_DEVICE_ROW_LANES_H_

#include "cuda/launch.h"
#include "math/tensors.h"

namespace qt::cuda {

constexpr int kRowsPerBlock = kThreads / math::kRowLanes;
static_assert(math::kRowLanes == 16, "two rows per warp");

// Lanes of a row as a tree over neighbours; every lane gets the result.
__device__ inline double SumOfLanes(double v) {
  for (int lanes = 1; lanes < math::kRowLanes; lanes *= 2) {
    v += __shfl_xor_sync(0xffffffffu, v, lanes);
  }
  return v;
}

// F: void Apply(int64_t row, int64_t n, int lane) const, n = 0 without a row.
template <class F>
__global__ void __launch_bounds__(kThreads, kMinBlocks) RowLanesKernel(F f, int64_t rows, int64_t n) {
  const int lane = static_cast<int>(threadIdx.x) % math::kRowLanes;
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kRowsPerBlock;
  for (int64_t base = static_cast<int64_t>(blockIdx.x) * kRowsPerBlock; base < rows;
       base += stride) {
    const int64_t row = base + threadIdx.x / math::kRowLanes;
    f.Apply(row < rows ? row : 0, row < rows ? n : 0, lane);
  }
}

template <class F>
cudaError_t ForRowLanes(const Stream& stream, const F& f, int64_t rows, int64_t n) {
  if (rows == 0 || n == 0) return cudaSuccess;
  const int64_t blocks = (rows + kRowsPerBlock - 1) / kRowsPerBlock;
  return Launch(stream, dim3(static_cast<unsigned>(blocks < 65536 ? blocks : 65536)),
                RowLanesKernel<F>, f, rows, n);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_ROW_LANES_H_
