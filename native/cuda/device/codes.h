// Sixteen neighbouring codes per thread: one access of 16 bytes where the address allows it, and two
// whole bytes of a mask, so that no two threads write one byte.
#ifndef QUANTRAIN_CUDA_DEVICE_CODES_H_
#define QUANTRAIN_CUDA_DEVICE_CODES_H_

#include "cuda/launch.h"

namespace qt::cuda {

constexpr int kCodes = 16;

struct Codes {
  uint32_t words[kCodes / 4] = {0, 0, 0, 0};
};

// Loops over k are unrolled, so that the words stay in registers.
template <class T>
__device__ inline int32_t CodeAt(const Codes& codes, int k) {
  return static_cast<int32_t>(static_cast<T>(codes.words[k / 4] >> 8 * (k % 4) & 255u));
}

// Once per k.
__device__ inline void SetCode(Codes* codes, int k, int32_t code) {
  codes->words[k / 4] |= (static_cast<uint32_t>(code) & 255u) << 8 * (k % 4);
}

// x[i .. i + 15], 0 from n on; vector: x is aligned to 16 bytes, and i a multiple of 16.
__device__ inline Codes LoadCodes(const uint8_t* x, int64_t i, int64_t n, bool vector) {
  Codes codes;
  if (vector && i + kCodes <= n) {
    const uint4 v = *reinterpret_cast<const uint4*>(x + i);
    codes.words[0] = v.x;
    codes.words[1] = v.y;
    codes.words[2] = v.z;
    codes.words[3] = v.w;
    return codes;
  }
#pragma unroll
  for (int k = 0; k < kCodes; ++k) {
    if (i + k < n) SetCode(&codes, k, x[i + k]);
  }
  return codes;
}

__device__ inline void StoreCodes(const Codes& codes, uint8_t* y, int64_t i, int64_t n,
                                  bool vector) {
  if (vector && i + kCodes <= n) {
    *reinterpret_cast<uint4*>(y + i) =
        make_uint4(codes.words[0], codes.words[1], codes.words[2], codes.words[3]);
    return;
  }
#pragma unroll
  for (int k = 0; k < kCodes; ++k) {
    if (i + k < n) y[i + k] = static_cast<uint8_t>(CodeAt<uint8_t>(codes, k));
  }
}

// bits: flags of i .. i + 15, 0 from n on.
__device__ inline void StoreMask(uint32_t bits, uint8_t* mask, int64_t i, int64_t n) {
  mask[i / 8] = static_cast<uint8_t>(bits);
  if (i + 8 < n) mask[i / 8 + 1] = static_cast<uint8_t>(bits >> 8);
}

// First element and stride of a thread that takes kCodes elements per step.
__device__ inline int64_t FirstCode() {
  return (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kCodes;
}
__device__ inline int64_t CodeStride() { return static_cast<int64_t>(gridDim.x) * kThreads * kCodes; }

inline unsigned BlocksForCodes(int64_t n) { return BlocksFor((n + 3) / 4); }

inline bool Aligned16(const void* p) { return Aligned16(p, p); }

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_CODES_H_
