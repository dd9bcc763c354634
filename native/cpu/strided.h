// Walks several tensors with strides (math/strided.h) in runs along the innermost dimension.
#ifndef QUANTRAIN_CPU_STRIDED_H_
#define QUANTRAIN_CPU_STRIDED_H_

#include "cpu/kernel.h"
#include "math/strided.h"

namespace qt::cpu::QT_ISA {

// A place in the walk. Next gives the offsets of the run that begins there and goes behind it.
template <int kTensors>
class Runs {
 public:
  Runs(const math::Strided<kTensors>& s, int64_t first) : s_(s) {
    for (int d = 0; d < s_.dims; ++d) {
      at_[d] = d + 1 < s_.dims ? first % s_.size[d] : first;
      first /= s_.size[d];
      for (int t = 0; t < kTensors; ++t) next_[t] += at_[d] * s_.stride[t][d];
    }
  }

  // Elements of the run, at most `most`.
  int64_t Next(int64_t most, int64_t (&offset)[kTensors]) {
    const int64_t n = Min(most, s_.size[0] - at_[0]);
    for (int t = 0; t < kTensors; ++t) {
      offset[t] = next_[t];
      next_[t] += n * s_.stride[t][0];
    }
    at_[0] += n;
    for (int d = 0; d + 1 < s_.dims && at_[d] == s_.size[d]; ++d) {
      at_[d] = 0;
      ++at_[d + 1];
      for (int t = 0; t < kTensors; ++t) {
        next_[t] += s_.stride[t][d + 1] - s_.size[d] * s_.stride[t][d];
      }
    }
    return n;
  }

 private:
  const math::Strided<kTensors>& s_;
  int64_t at_[math::kDims] = {};
  int64_t next_[kTensors] = {};
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_STRIDED_H_
