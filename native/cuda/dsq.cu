// DSQ: the learned range and its soft staircase. Mapping: device/learned.h; qparams: one thread per channel.
#include "cuda/device/learned.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

struct DsqQparams {
  qt_dsq_qparams_args a;
  __device__ void operator()(int64_t c) const {
    math::DsqQparams(a.learned_lower[c], a.learned_upper[c], a.qmin, a.qmax, a.scale + c,
                     a.zero_point + c, a.lower + c, a.upper + c);
  }
};

}  // namespace

cudaError_t dsq_qparams(const Stream& stream, const qt_dsq_qparams_args& args) {
  return ForChannels(stream, DsqQparams{args}, args.channels);
}

cudaError_t dsq_forward(const Stream& stream, const qt_dsq_forward_args& args) {
  return LearnedKernel(stream, args, nullptr, args.y);
}

cudaError_t dsq_backward(const Stream& stream, const qt_dsq_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

}  // namespace qt::cuda
