// Element-wise gradient scaling, the same element as cpu/ewgs.cc.
#include "math/ewgs.h"

#include "cuda/device/learned.h"  // after its formulas
#include "cuda/kernels.h"

namespace qt::cuda {

cudaError_t ewgs_backward(const Stream& stream, const qt_ewgs_backward_args& a) {
  return LearnedKernel(stream, a, a.dy, a.dx);
}

}  // namespace qt::cuda
