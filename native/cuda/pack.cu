// pack_codes and unpack_codes, the same bits as cpu/pack.cc.
//
// Parallel mapping: a thread takes 8 codes, which are one word of math/packing.h and whole bytes of
// the packed tensor; neighbouring threads take neighbouring words.
#include "cuda/launch.h"
#include "math/packing.h"

namespace qt::cuda {
namespace {

// count bytes at p as the low bytes of a word; whole: all 8 in one access.
__device__ inline uint64_t LoadBytes(const uint8_t* p, int count, bool whole) {
  if (whole) return *reinterpret_cast<const uint64_t*>(p);
  uint64_t word = 0;
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    if (k < count) word |= static_cast<uint64_t>(p[k]) << 8 * k;
  }
  return word;
}

__device__ inline void StoreBytes(uint64_t word, uint8_t* p, int count, bool whole) {
  if (whole) {
    *reinterpret_cast<uint64_t*>(p) = word;
    return;
  }
#pragma unroll
  for (int k = 0; k < 8; ++k) {
    if (k < count) p[k] = static_cast<uint8_t>(word >> 8 * k);
  }
}

// Codes of the word at i, and bytes that they take.
__device__ inline int WordCodes(int64_t i, int64_t n) {
  return static_cast<int>(n - i < 8 ? n - i : 8);
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) PackKernel(qt_pack_codes_args a, bool vector) {
  const uint8_t* codes = static_cast<const uint8_t*>(a.codes);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 8;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  for (; i < a.n; i += stride) {
    const int count = WordCodes(i, a.n);
    const uint64_t word =
        math::PackWord(LoadBytes(codes + i, count, vector && count == 8), a.bits);
    StoreBytes(word, a.packed + i / 8 * a.bits, (count * a.bits + 7) / 8, false);
  }
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) UnpackKernel(qt_unpack_codes_args a, bool vector) {
  uint8_t* codes = static_cast<uint8_t*>(a.codes);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * 8;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * 8;
  for (; i < a.n; i += stride) {
    const int count = WordCodes(i, a.n);
    const uint64_t packed =
        LoadBytes(a.packed + i / 8 * a.bits, (count * a.bits + 7) / 8, false);
    uint64_t word = math::UnpackWord(packed, a.bits);
    if (a.code_type == QT_S8) word = math::ExtendSigns(word, a.bits);
    StoreBytes(word, codes + i, count, vector && count == 8);
  }
}

bool Aligned8(const void* p) { return (reinterpret_cast<uintptr_t>(p) & 7u) == 0; }

}  // namespace

cudaError_t pack_codes(const Stream& stream, const qt_pack_codes_args& a) {
  if (a.n == 0) return cudaSuccess;
  return Launch(stream, BlocksFor((a.n + 1) / 2), PackKernel, a, Aligned8(a.codes));
}

cudaError_t unpack_codes(const Stream& stream, const qt_unpack_codes_args& a) {
  if (a.n == 0) return cudaSuccess;
  return Launch(stream, BlocksFor((a.n + 1) / 2), UnpackKernel, a, Aligned8(a.codes));
}

}  // namespace qt::cuda
