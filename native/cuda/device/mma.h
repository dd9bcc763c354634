// Instructions that C++ has no words for: products of matrices of codes on the tensor cores, matrices
// from shared memory to registers, copies from global to shared memory that run beside a thread. PTX
// where a device is compiled for (sm_80 and up); on the emulator the same in C++.
#ifndef QUANTRAIN_CUDA_DEVICE_MMA_H_
#define QUANTRAIN_CUDA_DEVICE_MMA_H_

#include <cuda_runtime.h>
#include <stdint.h>

#include <type_traits>

#if !defined(__CUDACC__)
#include "emulator/tensor_core.h"
#endif

namespace qt::cuda {

constexpr uint32_t kOnes = 0x01010101u;  // four codes 1

#if defined(__CUDACC__)

// sum + the products of four codes in each word.
template <class A, class B>
__device__ inline int32_t Dot4(uint32_t a, uint32_t b, int32_t sum) {
  int32_t result;
  if constexpr (std::is_signed_v<A> && std::is_signed_v<B>) {
    asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  } else if constexpr (std::is_signed_v<A>) {
    asm("dp4a.s32.u32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  } else if constexpr (std::is_signed_v<B>) {
    asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  } else {
    asm("dp4a.u32.u32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(sum));
  }
  return result;
}

__device__ inline uint32_t BytePermute(uint32_t a, uint32_t b, uint32_t selector) {
  return __byte_perm(a, b, selector);
}

__device__ inline uint32_t SharedAddress(const void* shared) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(shared));
}

// Four matrices of 8 rows of 16 bytes in shared memory; lane l says where row l % 8 of matrix l / 8
// is, and gets word l % 4 of row l / 4 of each.
__device__ inline void LoadMatrices(uint32_t (&words)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(SharedAddress(row)));
}

#define QT_MMA(a_type, b_type)                                                            \
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32." a_type "." b_type                 \
               ".s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"     \
               : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                           \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))

// c [16, 8] += a [16, 32] b [32, 8] of a warp, modulo 2^32. Which lane holds what: PTX ISA, "Matrix
// Fragments for mma.m16n8k32", of .s8 and .u8 (restated in emulator/tensor_core.h).
template <class A, class B>
__device__ inline void Mma(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (std::is_signed_v<A> && std::is_signed_v<B>) {
    QT_MMA("s8", "s8");
  } else if constexpr (std::is_signed_v<B>) {
    QT_MMA("u8", "s8");
  } else {
    static_assert(!std::is_signed_v<A>, "no kernel multiplies s8 by u8");
    QT_MMA("u8", "u8");
  }
}
#undef QT_MMA

// kBytes (4 or 16, and both places multiples of it) to shared memory. Through the first-level cache,
// because windows that overlap read the same codes again.
template <int kBytes>
__device__ inline void CopyAsync(void* shared, const void* global) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2;" ::"r"(SharedAddress(shared)),
               "l"(__cvta_generic_to_global(global)), "n"(kBytes)
               : "memory");
}

// Closes the thread's group of copies.
__device__ inline void CommitCopies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Returns when all but the newest kGroups of the thread's closed groups are done. Other threads see
// them after a barrier.
template <int kGroups>
__device__ inline void WaitForCopies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kGroups) : "memory");
}

// Four sums in one access of 16 bytes, into which nvcc does not join them by itself.
__device__ inline void StoreSums(int32_t* to, const int32_t (&sums)[4]) {
  asm volatile("st.global.v4.s32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)),
               "r"(sums[0]), "r"(sums[1]), "r"(sums[2]), "r"(sums[3])
               : "memory");
}

#else

using emulator::BytePermute;
using emulator::CommitCopies;
using emulator::Dot4;
using emulator::LoadMatrices;
using emulator::Mma;

template <int kBytes>
void CopyAsync(void* shared, const void* global) {
  emulator::CopyAsync(shared, global, kBytes);
}
template <int kGroups>
void WaitForCopies() {
  emulator::WaitForCopies(kGroups);
}
inline void StoreSums(int32_t* to, const int32_t (&sums)[4]) {
  *reinterpret_cast<int4*>(to) = {sums[0], sums[1], sums[2], sums[3]};
}

#endif

// words[i] becomes byte i of each word, in their order.
__device__ inline void TransposeBytes(uint32_t (&words)[4]) {
  const uint32_t low_01 = BytePermute(words[0], words[1], 0x5140);
  const uint32_t low_23 = BytePermute(words[2], words[3], 0x5140);
  const uint32_t high_01 = BytePermute(words[0], words[1], 0x7362);
  const uint32_t high_23 = BytePermute(words[2], words[3], 0x7362);
  words[0] = BytePermute(low_01, low_23, 0x5410);
  words[1] = BytePermute(low_01, low_23, 0x7632);
  words[2] = BytePermute(high_01, high_23, 0x5410);
  words[3] = BytePermute(high_01, high_23, 0x7632);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_MMA_H_
