// What kernels on tensor cores use beyond the common operations of a warp: matrices that lie in the
// registers of 32 lanes, and copies to shared memory that go on behind a thread's back. Included by
// cuda/device/mma.h, whose wrappers say what each does.
#ifndef QUANTRAIN_EMULATOR_TENSOR_CORE_H_
#define QUANTRAIN_EMULATOR_TENSOR_CORE_H_

#include <cuda_runtime.h>

namespace emulator {

constexpr unsigned kAllLanes = 0xffffffffu;

// What each lane of a warp gives to an operation of all lanes. A lane asks once for each operation,
// writes its own words, waits, and reads: the next operation has others.
struct Words {
  uint32_t a[4], b[2];
  const void* address;
};
Words* NextWarpWords();

// bytes from a place of global memory to one of shared memory, both multiples of bytes. Under odd
// seeds it happens as late as the thread's waiting allows, else at once: a device promises neither.
void CopyAsync(void* to, const void* from, size_t bytes);
// Closes the thread's group of copies.
void CommitCopies();
// Returns when all but the newest `groups` of the thread's closed groups are done.
void WaitForCopies(int groups);

// The sum of the products of four codes in each word, added to sum, modulo 2^32.
template <class A, class B>
int32_t Dot4(uint32_t a, uint32_t b, int32_t sum) {
  for (int shift = 0; shift < 32; shift += 8) {
    const int product = static_cast<A>(a >> shift) * static_cast<B>(b >> shift);
    sum = static_cast<int32_t>(static_cast<uint32_t>(sum) + static_cast<uint32_t>(product));
  }
  return sum;
}

// PTX ISA, "Warp-level matrix load instruction: ldmatrix": matrix i has its rows of 16 bytes where
// lanes 8i to 8i + 7 say; a lane gets word l % 4 of row l / 4.
inline void LoadMatrices(uint32_t (&words)[4], const void* address) {
  Words* const lanes = NextWarpWords();
  lanes[Lane()].address = address;
  WaitForWarp(kAllLanes);
  for (int i = 0; i < 4; ++i) {
    const void* const row = lanes[8 * i + Lane() / 4].address;
    const uint4 all = *static_cast<const uint4*>(row);
    const uint32_t each[] = {all.x, all.y, all.z, all.w};
    words[i] = each[Lane() % 4];
  }
}

// PTX ISA, "Matrix Fragments for mma.m16n8k32", .s8 or .u8: with group l / 4 and place l % 4 of a
// lane, register i of A holds row group + 8 (i % 2), columns 4 place + 16 (i / 2) and three more;
// register i of B rows 4 place + 16 i and three more of column group; register i of C row
// group + 8 (i / 2), column 2 place + i % 2.
template <class A, class B>
void Mma(int32_t (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  Words* const lanes = NextWarpWords();
  memcpy(lanes[Lane()].a, a, sizeof(a));
  memcpy(lanes[Lane()].b, b, sizeof(b));
  WaitForWarp(kAllLanes);
  const int group = Lane() / 4, place = Lane() % 4;
  for (int i = 0; i < 4; ++i) {
    const Words* const row = lanes + 4 * group;
    const Words* const column = lanes + 4 * (2 * place + i % 2);
    for (int k = 0; k < 8; ++k) {  // words of k
      c[i] = Dot4<A, B>(row[k % 4].a[i / 2 + 2 * (k / 4)], column[k % 4].b[k / 4], c[i]);
    }
  }
}

// Byte i of the result is byte (selector >> 4 i & 7) of the eight in a and b.
inline uint32_t BytePermute(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t bytes = static_cast<uint64_t>(b) << 32 | a;
  uint32_t chosen = 0;
  for (int i = 0; i < 4; ++i) {
    chosen |= static_cast<uint32_t>(bytes >> 8 * (selector >> 4 * i & 7) & 255) << 8 * i;
  }
  return chosen;
}

}  // namespace emulator

#endif  // QUANTRAIN_EMULATOR_TENSOR_CORE_H_
