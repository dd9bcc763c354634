// concat_codes, the same bits as cpu/concat_codes.cc. A thread takes 16 consecutive codes of the
// input; rows of the output may begin at any byte, so it writes byte by byte.
#include "cuda/device/codes.h"
#include "math/quantize.h"

namespace qt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads, kMinBlocks) ConcatCodesKernel(qt_concat_codes_args a, bool vector) {
  const uint8_t* x = static_cast<const uint8_t*>(a.x);
  uint8_t* y = static_cast<uint8_t*>(a.y) + a.offset;
  const float x_scale = *a.x_scale, x_zero_point = static_cast<float>(*a.x_zero_point);
  const float y_scale = *a.y_scale, y_zero_point = static_cast<float>(*a.y_zero_point);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const int64_t n = a.outer * a.width;
  for (int64_t i = FirstCode(); i < n; i += CodeStride()) {
    const Codes from = LoadCodes(x, i, n, vector);
    uint32_t bits = 0;
    int64_t row = i / a.width;
    int64_t column = i - row * a.width;
#pragma unroll
    for (int k = 0; k < kCodes; ++k) {
      if (i + k < n) {
        const int32_t code =
            a.code_type == QT_U8 ? CodeAt<uint8_t>(from, k) : CodeAt<int8_t>(from, k);
        const float level =
            math::Level(math::Dequantize(static_cast<float>(code), x_scale, x_zero_point), y_scale,
                        y_zero_point);
        y[row * a.y_width + column] =
            static_cast<uint8_t>(static_cast<int32_t>(math::Clamp(level, qmin, qmax)));
        bits |= (math::InRange(level, qmin, qmax) ? 1u : 0u) << k;
        if (++column == a.width) {
          column = 0;
          ++row;
        }
      }
    }
    if (a.mask != nullptr) StoreMask(bits, a.mask, i, n);
  }
}

}  // namespace

cudaError_t concat_codes(const Stream& stream, const qt_concat_codes_args& a) {
  const int64_t n = a.outer * a.width;
  if (n == 0) return cudaSuccess;
  return Launch(stream, BlocksForCodes(n), ConcatCodesKernel, a, Aligned16(a.x));
}

}  // namespace qt::cuda
