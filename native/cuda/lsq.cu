// Learned step size: LSQ, and LSQ+ with an integer zero-point or a real offset. Mapping:
// device/learned.h; qparams: one thread per channel.
#include "cuda/device/learned.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

struct LsqQparams {
  qt_lsq_qparams_args a;
  __device__ void operator()(int64_t c) const { math::LsqQparams(a, c); }
};

}  // namespace

cudaError_t lsq_qparams(const Stream& stream, const qt_lsq_qparams_args& args) {
  return ForChannels(stream, LsqQparams{args}, args.channels);
}

cudaError_t lsq_backward(const Stream& stream, const qt_lsq_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

cudaError_t lsq_plus(const Stream& stream, const qt_lsq_plus_args& args) {
  return LearnedKernel(stream, args, nullptr, args.y);
}

cudaError_t lsq_plus_backward(const Stream& stream, const qt_lsq_plus_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

}  // namespace qt::cuda
