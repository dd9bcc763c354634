// What emulated.cc makes of the .cu files, beside the launch functions of cuda/kernels.h.
#ifndef QUANTRAIN_CHECK_EMULATED_H_
#define QUANTRAIN_CHECK_EMULATED_H_

#include <stdint.h>

// sums[b] = sum of the 96 values of block b, by warp shuffles, shared memory and a barrier: checks
// the emulator itself.
void EmulatedBlockSums(const int32_t* values, int32_t* sums, unsigned blocks);

#endif  // QUANTRAIN_CHECK_EMULATED_H_
