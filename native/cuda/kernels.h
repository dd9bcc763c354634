// Launch functions of the CUDA kernels, one per kernel of the same name in cpu/: the stream comes
// first, arguments are those of the API with device pointers (scale and zero-point too), nothing is
// checked, nothing synchronizes or allocates, so every launch can be captured into a graph. Returns
// what the runtime says about the launch.
#ifndef QUANTRAIN_CUDA_KERNELS_H_
#define QUANTRAIN_CUDA_KERNELS_H_

#include <cuda_runtime.h>

#include "include/quantrain.h"

namespace qt::cuda {

cudaError_t FakeQuant(cudaStream_t stream, const qt_fake_quant_args& args);
cudaError_t SteBackward(cudaStream_t stream, const qt_ste_backward_args& args);

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_KERNELS_H_
