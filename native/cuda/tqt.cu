// TQT: the learned power-of-two threshold. Mapping: device/learned.h; qparams: one thread per channel.
#include "cuda/device/learned.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

struct TqtQparams {
  qt_tqt_qparams_args a;
  __device__ void operator()(int64_t c) const {
    math::TqtQparams(a.log2_threshold[c], a.qmin, a.qmax, a.is_signed != 0, a.scale + c,
                     a.zero_point + c);
  }
};

}  // namespace

cudaError_t tqt_qparams(const Stream& stream, const qt_tqt_qparams_args& args) {
  return ForChannels(stream, TqtQparams{args}, args.channels);
}

cudaError_t tqt_backward(const Stream& stream, const qt_tqt_backward_args& args) {
  return LearnedKernel(stream, args, args.dy, args.dx);
}

}  // namespace qt::cuda
