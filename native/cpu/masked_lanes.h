// Gradients under a mask, walked in lanes: what the backward kernels of batch norm have in common.
#ifndef QUANTRAIN_CPU_MASKED_LANES_H_
#define QUANTRAIN_CPU_MASKED_LANES_H_

#include "cpu/kernel.h"
#include "cpu/mask.h"

namespace qt::cpu::QT_ISA {

// Calls body(i, lane, n, d) for runs of the elements [begin, end): elements i .. i + n - 1 lie in
// the lanes lane .. lane + n - 1, and d[k] is dy[i + k] where the mask (null: all ones) is set,
// else 0. begin is a multiple of 64 and the first element of a row of lanes. d may be dy itself:
// read d[k] before writing an output that aliases dy.
template <class Body>
inline void ForMaskedLanes(const float* dy, const uint8_t* mask, int64_t begin, int64_t end,
                           int64_t lanes, Body body) {
  constexpr int64_t kChunk = 1024;
  float buffer[kChunk];
  int64_t lane = 0;
  for (int64_t chunk = begin; chunk < end; chunk += kChunk) {
    const int64_t stop = Min(end, chunk + kChunk);
    const float* d = dy + chunk;
    if (mask != nullptr) {
      MaskSelect(d, mask + chunk / 8, stop - chunk, buffer);
      d = buffer;
    }
    for (int64_t i = chunk; i < stop;) {
      const int64_t n = Min(lanes - lane, stop - i);
      body(i, lane, n, d + (i - chunk));
      i += n;
      lane = lane + n == lanes ? 0 : lane + n;
    }
  }
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_MASKED_LANES_H_
