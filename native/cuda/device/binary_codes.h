// The loop over two tensors of codes, with the formulas of math/binary_codes.h. An Operation holds
// the arguments of a call and makes of them, on the device, Constants() and Ends().
#ifndef QUANTRAIN_CUDA_DEVICE_BINARY_CODES_H_
#define QUANTRAIN_CUDA_DEVICE_BINARY_CODES_H_

#include "cuda/device/codes.h"
#include "math/binary_codes.h"

namespace qt::cuda {

template <class T, class Operation>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    BinaryCodesKernel(Operation operation, bool vector_a, bool vector_b, bool vector_y) {
  const auto& args = operation.args;
  const uint8_t* a = static_cast<const uint8_t*>(args.a);
  const uint8_t* b = static_cast<const uint8_t*>(args.b);
  uint8_t* y = static_cast<uint8_t*>(args.y);
  const auto constants = operation.Constants();
  using Number = typename decltype(operation.Constants())::Number;
  const auto ends = operation.Ends();
  for (int64_t i = FirstCode(); i < args.n; i += CodeStride()) {
    const Codes from_a = LoadCodes(a, i, args.n, vector_a);
    const Codes from_b = LoadCodes(b, i, args.n, vector_b);
    Codes to;
    uint32_t bits = 0;
#pragma unroll
    for (int k = 0; k < kCodes; ++k) {
      const auto level = math::Level(constants, static_cast<Number>(CodeAt<T>(from_a, k)),
                                     static_cast<Number>(CodeAt<T>(from_b, k)));
      SetCode(&to, k, math::LevelCode(level, ends));
      bits |= (i + k < args.n && math::Passes(level, ends) ? 1u : 0u) << k;
    }
    StoreCodes(to, y, i, args.n, vector_y);
    if (args.mask != nullptr) StoreMask(bits, args.mask, i, args.n);
  }
}

template <class Operation>
cudaError_t BinaryCodes(const Stream& stream, const Operation& operation) {
  const auto& args = operation.args;
  if (args.n == 0) return cudaSuccess;
  const auto kernel = args.code_type == QT_U8 ? BinaryCodesKernel<uint8_t, Operation>
                                              : BinaryCodesKernel<int8_t, Operation>;
  return Launch(stream, BlocksForCodes(args.n), kernel, operation, Aligned16(args.a),
                Aligned16(args.b), Aligned16(args.y));
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_BINARY_CODES_H_
