// Additive powers of two, the same elements as cpu/apot.cc: one kernel makes the table of levels, the
// next looks its elements up.
#include "math/apot.h"

#include "cuda/device/learned.h"  // after its formulas
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

static_assert(sizeof(float) * math::kApotMostEntries <= kTableBytes, "the table of levels");

// A thread per entry.
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    ApotTableKernel(int32_t bits, int32_t entries, float* table) {
  const int32_t step = static_cast<int32_t>(gridDim.x) * kThreads;
  for (int32_t i = static_cast<int32_t>(blockIdx.x * kThreads + threadIdx.x); i < entries;
       i += step) {
    table[i] = math::ApotEntry(bits, i);
  }
}

template <class Args>
cudaError_t MakeTable(const Stream& stream, const Args& a) {
  const int32_t bits = math::ApotMagnitudeBits(a.bits, a.is_signed);
  const int32_t entries = 2 * math::ApotMost(bits) + 1;
  return Launch(stream, dim3(static_cast<unsigned>((entries + kThreads - 1) / kThreads)),
                ApotTableKernel, bits, entries, stream.Table());
}

}  // namespace

cudaError_t apot(const Stream& stream, const qt_apot_args& a) {
  const cudaError_t status = MakeTable(stream, a);
  if (status != cudaSuccess) return status;
  return LearnedKernel(stream, math::ApotForward{a, stream.Table()}, nullptr, a.y);
}

cudaError_t apot_backward(const Stream& stream, const qt_apot_backward_args& a) {
  const cudaError_t status = MakeTable(stream, a);
  if (status != cudaSuccess) return status;
  return LearnedKernel(stream, math::ApotBackward{a, stream.Table()}, a.dy, a.dx);
}

}  // namespace qt::cuda
