// A parameter arena with one weight decay per segment: blocks are cut by elements; a block finds its
// first segment by bisection and then runs one vector loop per segment that it touches.
#ifndef QUANTRAIN_CPU_SEGMENTS_H_
#define QUANTRAIN_CPU_SEGMENTS_H_

#include "cpu/kernel.h"
#include "math/optimizer.h"

namespace qt::cpu::QT_ISA {

// Calls body(begin, end, decay).
template <class Args, class Body>
inline void ForSegments(qt_context& ctx, const Args& args, Body body) {
  const int64_t* segment_end = args.segment_end;
  const float* segment_decay = args.segment_decay;
  const int64_t segments = args.segments;
  ParallelBlocks(ctx, args.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
    int64_t segment = math::SegmentOf(segment_end, segments, begin);
    for (int64_t first = begin; first < end; ++segment) {
      const int64_t last = segment + 1 < segments ? Min(end, segment_end[segment]) : end;
      body(first, last, segment_decay[segment]);
      first = last;
    }
  });
}

// Whether the step is left out because a gradient is not finite.
template <class Args>
inline bool Skipped(const Args& args) {
  return args.nonfinite != nullptr && *args.nonfinite != 0;
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_SEGMENTS_H_
