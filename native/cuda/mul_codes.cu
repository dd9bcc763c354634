// mul_codes, the same bits as cpu/mul_codes.cc.
#include "cuda/device/binary_codes.h"

namespace qt::cuda {
namespace {

struct Mul {
  qt_mul_codes_args args;
  __device__ math::FloatMul Constants() const {
    return math::MakeFloatMul(*args.a_scale, *args.a_zero_point, *args.b_scale, *args.b_zero_point,
                              *args.y_scale, *args.y_zero_point);
  }
  __device__ math::Ends<float> Ends() const {
    return math::MakeEnds<float>(args.qmin, args.qmax, *args.y_zero_point, /*relu=*/false);
  }
};

}  // namespace

cudaError_t mul_codes(const Stream& stream, const qt_mul_codes_args& args) {
  return BinaryCodes(stream, Mul{args});
}

}  // namespace qt::cuda
