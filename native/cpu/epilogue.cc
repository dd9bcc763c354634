// The fused epilogue of a convolution and its gradient: one pass over the tensor. Elementwise
// results and the observed extremes are the same bits on every instruction set and thread count;
// the gradient's sums have the fixed order of channels.h.
#include "math/epilogue.h"

#include "cpu/corrected_gradient.h"
#include "cpu/kernel.h"
#include "cpu/points.h"
#include "math/bf16.h"

namespace qt::cpu::QT_ISA {
namespace {

// What a block of elements saw.
struct Seen {
  math::Extent extent = math::NoExtent();
  int64_t nans = 0;
};

// Extremes of all blocks after the clip; exact in any order.
Seen CombineSeen(const Seen* blocks, int64_t count, float lower, float upper) {
  Seen all;
  for (int64_t b = 0; b < count; ++b) {
    math::Extend(&all.extent, blocks[b].extent.least, blocks[b].extent.most);
    all.nans += blocks[b].nans;
  }
  all.extent = math::ClippedExtent(all.extent, lower, upper);
  return all;
}

// Sees numbers one by one, or as vectors; of NaN it counts kNans.
template <bool kNans>
class Observer {
 public:
  void See(float v) {
    math::Extend(&seen_.extent, v, v);
    if (kNans) seen_.nans += CountOf(IsNan(v));
  }
#if QT_VECTORS
  void See(Vector v) {
    least_ = Smaller(v, least_);
    most_ = Larger(v, most_);
    if (kNans) seen_.nans += CountOf(IsNan(v));
  }
#endif
  Seen All() const {
    Seen all = seen_;
#if QT_VECTORS
    float least[Vector::kSize], most[Vector::kSize];
    memcpy(least, &least_.v, sizeof(least));
    memcpy(most, &most_.v, sizeof(most));
    for (int64_t k = 0; k < Vector::kSize; ++k) math::Extend(&all.extent, least[k], most[k]);
#endif
    return all;
  }

 private:
  Seen seen_;
#if QT_VECTORS
  Vector least_ = Vector(__builtin_inff()), most_ = Vector(-__builtin_inff());
#endif
};

template <bool kObserve>
struct OfAcc {
  const int32_t* acc;
  const int32_t* biases;
  const int32_t* keeps;
  const float* scales;
  const float* multipliers;
  math::LevelRange range;
  float zero_point, lower, upper;
  Seen* seen;
  Observer<false> observer;

  static constexpr int64_t kLine = 16;
  void Fetch(int64_t i) const { FetchAhead(acc + i); }
  template <class T>
  auto At(int64_t i, int64_t at) {
    const Integer<T> sum = math::AddBias(LoadIntAs<T>(acc + i), LoadIntAs<T>(keeps + at),
                                         LoadIntAs<T>(biases + at));
    const T v = math::DequantizeAcc(sum, LoadAs<T>(scales + at));
    if (kObserve) observer.See(v);
    const T level = math::RequantizeLevel(sum, LoadAs<T>(multipliers + at));
    const T lo(range.lo), hi(range.hi);
    return SpotOf(math::RequantizeCode(level, lo, hi, T(zero_point)),
                  Both(math::Kept(level, math::Clamp(level, lo, hi)),
                       math::InsideClip(v, T(lower), T(upper))));
  }
  void Finish(int64_t block) {
    if (kObserve) seen[block] = observer.All();
  }
};

template <class Code, bool kMask, bool kObserve>
qt_status Epilogue(qt_context& ctx, const qt_epilogue_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  const int64_t size = RepeatedTable(channels), blocks = DivUp(n, kBlock);
  Seen* const seen = static_cast<Seen*>(
      Scratch(ctx, static_cast<int64_t>(sizeof(Seen)) * blocks + 16 * size));
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  int32_t* const biases = reinterpret_cast<int32_t*>(seen + blocks);
  int32_t* const keeps = biases + size;
  float* const scales = reinterpret_cast<float*>(keeps + size);
  float* const multipliers = scales + size;
  FillTable(biases, size, channels, a.bias, 0);
  FillTable(keeps, size, channels, a.keep, 1);
  FillTable(scales, size, channels, a.out_scale, 1.0f);
  for (int64_t i = 0; i < size; ++i) multipliers[i] = math::Multiplier(scales[i], *a.y_scale);
  const float zero_point = static_cast<float>(*a.y_zero_point);
  const math::LevelRange range =
      math::EpilogueLevels(static_cast<float>(a.qmin), static_cast<float>(a.qmax), zero_point,
                           *a.y_scale, a.lower, a.upper);
  const OfAcc<kObserve> op = {a.acc, biases,     keeps,   scales,  multipliers, range,
                              zero_point, a.lower, a.upper, seen, {}};
  ForEachPoint<kMask>(ctx, n, channels, static_cast<Code*>(a.codes), a.mask, 5 * n,
                      /*in_place=*/false, op);
  if (kObserve) {
    const Seen all = CombineSeen(seen, blocks, a.lower, a.upper);
    *a.min = all.extent.least;
    *a.max = all.extent.most;
  }
  return QT_OK;
}

template <class Code>
qt_status EpilogueOf(qt_context& ctx, const qt_epilogue_args& a) {
  const bool mask = a.mask != nullptr, observe = a.min != nullptr;
  return mask ? observe ? Epilogue<Code, true, true>(ctx, a) : Epilogue<Code, true, false>(ctx, a)
         : observe ? Epilogue<Code, false, true>(ctx, a)
                   : Epilogue<Code, false, false>(ctx, a);
}

// kReal: the number that the code stands for, else the code. S: Same or SameStep.
template <class Real, class S, bool kObserve, bool kReal>
struct OfReal {
  const Real* x;
  const float* corrections;
  const float* biases;
  S step;
  float zero_point, qmin, qmax, lower, upper;
  Observer<true> observer;

  static constexpr int64_t kLine = 64 / sizeof(Real);
  void Fetch(int64_t i) const { FetchAhead(x + i); }
  template <class T>
  auto At(int64_t i, int64_t at) {
    const T v = math::Corrected(LoadAs<T>(x + i), LoadAs<T>(corrections + at),
                                LoadAs<T>(biases + at));
    const T y = math::Clip(v, T(lower), T(upper));
    if (kObserve) observer.See(y);
    const T level = step.Level(y, 0, T(zero_point));
    const T code = math::Clamp(level, T(qmin), T(qmax));
    const auto kept =
        Both(math::Kept(level, code), math::InsideClip(v, T(lower), T(upper)));
    if constexpr (kReal) {
      return SpotOf(math::Dequantize(code, step.template At<T>(0), T(zero_point)), kept);
    } else {
      return SpotOf(code, kept);
    }
  }
};

// The elements of a block that op makes.
template <class Op, class Out>
void RealBlock(Op* op, int64_t begin, int64_t end, int64_t channels, Out* out, uint8_t* mask,
               bool stream) {
  if (mask != nullptr) {
    PointsOfBlock<true>(op, begin, end, channels, out, mask, stream);
  } else {
    PointsOfBlock<false>(op, begin, end, channels, out, mask, stream);
  }
}

// Mask and observer go with the codes, or with y where there are none; y is made of the block while
// that is in the second-level cache.
template <class Real, class Code, class S, bool kObserve>
void EpilogueReal(qt_context& ctx, const qt_epilogue_f32_args& args, const float* corrections,
                  const float* biases, Seen* seen, S step) {
  const qt_epilogue_f32_args a = args;
  const int64_t n = a.rows * a.channels;
  const Real* const x = static_cast<const Real*>(a.x);
  Code* const codes = static_cast<Code*>(a.codes);
  Real* const y = static_cast<Real*>(a.y);
  const float zero_point = static_cast<float>(*a.y_zero_point);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const int64_t real_bytes = static_cast<int64_t>(sizeof(Real));
  const bool stream =
      Streams(n * ((codes == nullptr ? 0 : 1) + (y == nullptr ? 1 : 2) * real_bytes));
  const bool stream_y = stream && y != x;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    if (codes == nullptr) {
      OfReal<Real, S, kObserve, true> op = {x,    corrections, biases,  step,    zero_point,
                                            qmin, qmax,        a.lower, a.upper, {}};
      RealBlock(&op, begin, end, a.channels, y, a.mask, stream_y);
      if (kObserve) seen[block] = op.observer.All();
      return;
    }
    OfReal<Real, S, kObserve, false> op = {x,    corrections, biases,  step,    zero_point,
                                           qmin, qmax,        a.lower, a.upper, {}};
    RealBlock(&op, begin, end, a.channels, codes, a.mask, stream);
    if (kObserve) seen[block] = op.observer.All();
    if (y == nullptr) return;
    OfReal<Real, S, false, true> reals = {x,    corrections, biases,  step,    zero_point,
                                          qmin, qmax,        a.lower, a.upper, {}};
    PointsOfBlock<false>(&reals, begin, end, a.channels, y, nullptr, stream_y);
  });
}

template <class Real, class Code>
qt_status EpilogueReal(qt_context& ctx, const qt_epilogue_f32_args& a) {
  const int64_t n = a.rows * a.channels, channels = a.channels;
  const int64_t size = RepeatedTable(channels), blocks = DivUp(n, kBlock);
  Seen* const seen = static_cast<Seen*>(
      Scratch(ctx, static_cast<int64_t>(sizeof(Seen)) * blocks + 8 * size));
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  float* const corrections = reinterpret_cast<float*>(seen + blocks);
  float* const biases = corrections + size;
  FillTable(corrections, size, channels, a.correction, 1.0f);
  FillTable(biases, size, channels, a.bias, 0.0f);
  const bool observe = a.min != nullptr;
  const math::Step step = math::StepOf(*a.y_scale);
  if (math::Multiplies(step)) {
    const SameStep same = {step.scale, step.reciprocal};
    observe ? EpilogueReal<Real, Code, SameStep, true>(ctx, a, corrections, biases, seen, same)
            : EpilogueReal<Real, Code, SameStep, false>(ctx, a, corrections, biases, seen, same);
  } else {
    const Same same = {step.scale};
    observe ? EpilogueReal<Real, Code, Same, true>(ctx, a, corrections, biases, seen, same)
            : EpilogueReal<Real, Code, Same, false>(ctx, a, corrections, biases, seen, same);
  }
  if (observe) {
    const Seen all = CombineSeen(seen, blocks, a.lower, a.upper);
    *a.min = all.extent.least;
    *a.max = all.extent.most;
    *a.nans = all.nans;
  }
  return QT_OK;
}

// dbias and dcorrection from the sums that the pass left; value is what the correction multiplied.
template <class T, class Args, class Value>
void Backward(qt_context& ctx, const Args& a, const float* factor, float* partials,
              const Value& value) {
  CorrectedGradient(ctx, static_cast<const T*>(a.dy), a.mask, static_cast<T*>(a.dx), a.rows,
                    a.channels, factor, value, partials);
  const int64_t lanes = Lanes(a.channels);
  for (int64_t c = 0; c < a.channels; ++c) {
    a.dbias[c] = partials[c];
    if (a.dcorrection != nullptr) a.dcorrection[c] = partials[lanes + c];
  }
}

// Repeats a per-channel value over the lanes; null gives 1.
void RepeatOrOne(const float* values, int64_t channels, float* lanes) {
  if (values != nullptr) {
    RepeatChannels(values, channels, lanes);
  } else {
    for (int64_t j = 0; j < Lanes(channels); ++j) lanes[j] = 1.0f;
  }
}

template <class T>
qt_status AccBackward(qt_context& ctx, const qt_epilogue_backward_args& a) {
  const int64_t lanes = Lanes(a.channels);
  float* const factor =
      ScratchArray<float>(ctx, 2 * lanes + CorrectedGradientScratch(a.rows, a.channels));
  if (factor == nullptr) return QT_OUT_OF_MEMORY;
  float* const unit = factor + lanes;
  float* const partials = unit + lanes;
  RepeatOrOne(a.correction, a.channels, factor);
  if (a.dcorrection == nullptr) {
    Backward<T>(ctx, a, factor, partials, NoValue());
    return QT_OK;
  }
  RepeatChannels(a.unit, a.channels, unit);
  Backward<T>(ctx, a, factor, partials, AccValue{a.acc, unit});
  return QT_OK;
}

template <class T>
qt_status RealBackward(qt_context& ctx, const qt_epilogue_f32_backward_args& a) {
  const int64_t lanes = Lanes(a.channels);
  float* const factor =
      ScratchArray<float>(ctx, lanes + CorrectedGradientScratch(a.rows, a.channels));
  if (factor == nullptr) return QT_OUT_OF_MEMORY;
  float* const partials = factor + lanes;
  RepeatOrOne(a.correction, a.channels, factor);
  if (a.dcorrection == nullptr) {
    Backward<T>(ctx, a, factor, partials, NoValue());
  } else {
    Backward<T>(ctx, a, factor, partials, RealValue<T>{static_cast<const T*>(a.x)});
  }
  return QT_OK;
}

}  // namespace

qt_status epilogue(qt_context& ctx, const qt_epilogue_args& a) {
  return a.code_type == QT_U8 ? EpilogueOf<uint8_t>(ctx, a) : EpilogueOf<int8_t>(ctx, a);
}

qt_status epilogue_backward(qt_context& ctx, const qt_epilogue_backward_args& a) {
  if (a.channels == 0) return QT_OK;
  return a.element_type == QT_ELEMENT_F32 ? AccBackward<float>(ctx, a)
                                          : AccBackward<math::Bf16>(ctx, a);
}

qt_status epilogue_f32(qt_context& ctx, const qt_epilogue_f32_args& a) {
  const bool u8 = a.code_type == QT_U8;
  if (a.element_type == QT_ELEMENT_F32) {
    return u8 ? EpilogueReal<float, uint8_t>(ctx, a) : EpilogueReal<float, int8_t>(ctx, a);
  }
  return u8 ? EpilogueReal<math::Bf16, uint8_t>(ctx, a) : EpilogueReal<math::Bf16, int8_t>(ctx, a);
}

qt_status epilogue_f32_backward(qt_context& ctx, const qt_epilogue_f32_backward_args& a) {
  if (a.channels == 0) return QT_OK;
  return a.element_type == QT_ELEMENT_F32 ? RealBackward<float>(ctx, a)
                                          : RealBackward<math::Bf16>(ctx, a);
}

}  // namespace qt::cpu::QT_ISA
