// PACT: the learned clip of activations. Mapping: device/learned.h; qparams: one thread per channel.
#include "cuda/device/learned.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

struct PactQparams {
  qt_pact_qparams_args a;
  __device__ void operator()(int64_t c) const {
    math::PactQparams(a.alpha[c], a.qmin, a.qmax, a.is_signed != 0, a.scale + c, a.zero_point + c);
  }
};

}  // namespace

cudaError_t pact_qparams(const Stream& stream, const qt_pact_qparams_args& args) {
  return ForChannels(stream, PactQparams{args}, args.channels);
}

cudaError_t pact_backward(const Stream& stream, const qt_pact_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

}  // namespace qt::cuda
