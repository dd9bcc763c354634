// The step of least squared error. Two passes over memory: the range, then the errors of all
// candidates at once; arithmetic decides, one division per element and candidate. The vector runs
// over the candidates, so that each one's sum keeps its order.
#include "math/mse_scale.h"

#include "cpu/kernel.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kPack = 4;  // elements per pass over the candidates
constexpr float kInfinity = __builtin_inff();

// Elements [begin, end) of a channel: f(pointer, n) for each contiguous run.
template <class Real, class F>
inline void ForRuns(const qt_mse_scale_args& a, int64_t channel, int64_t begin, int64_t end, F f) {
  const Real* const x = static_cast<const Real*>(a.x);
  for (int64_t i = begin; i < end;) {
    const int64_t outer = i / a.inner, rest = i % a.inner;
    const int64_t n = Min(end - i, a.inner - rest);
    f(x + (outer * a.channels + channel) * a.inner + rest, n);
    i += n;
  }
}

struct Candidates {
  const float* scale;
  int64_t count;
  float zero_point, qmin, qmax;
};

// errors[k] += the error of n <= kPack elements with candidate k, one after the other.
template <class Real>
inline void AddErrors(const Real* x, int64_t n, const Candidates& c, double* errors) {
  float v[kPack] = {0.0f};
  for (int64_t i = 0; i < n; ++i) v[i] = math::Widen(x[i]);
  const float x0 = v[0], x1 = v[1], x2 = v[2], x3 = v[3];
  const float z = c.zero_point, qmin = c.qmin, qmax = c.qmax;
  const float* scale = c.scale;
  // A zero beyond n has the error 0: it is on every grid.
#pragma omp simd
  for (int64_t k = 0; k < c.count; ++k) {
    const float s = scale[k];
    double e = errors[k] + math::SquaredError(x0, s, z, qmin, qmax);
    e += math::SquaredError(x1, s, z, qmin, qmax);
    e += math::SquaredError(x2, s, z, qmin, qmax);
    errors[k] = e + math::SquaredError(x3, s, z, qmin, qmax);
  }
}

template <class Real>
qt_status MseScale(qt_context& ctx, const qt_mse_scale_args& args) {
  const qt_mse_scale_args a = args;
  const int64_t length = a.outer * a.inner, candidates = a.candidates;
  const math::MseParts parts = math::PartsOf(length);
  const int64_t units = a.channels * parts.count;
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  double* const errors = static_cast<double*>(
      Scratch(ctx, units * (candidates * 8 + 8) + a.channels * candidates * 4 + 8));
  if (errors == nullptr) return QT_OUT_OF_MEMORY;
  float* const ranges = reinterpret_cast<float*>(errors + units * candidates);
  float* const scales = ranges + 2 * units;

  ParallelBlocks(ctx, units, 1, [=](int64_t, int64_t u, int64_t) {
    const int64_t begin = u % parts.count * parts.length;
    float lo = kInfinity, hi = -kInfinity;
    ForRuns<Real>(a, u / parts.count, begin, Min(length, begin + parts.length),
                  [&](const Real* x, int64_t n) {
                    float least = lo, most = hi;
#pragma omp simd reduction(min : least) reduction(max : most)
                    for (int64_t i = 0; i < n; ++i) {
                      const float number = math::Widen(x[i]);
                      const float v = math::TakesPart(number) ? number : 0.0f;
                      least = v < least ? v : least;
                      most = v > most ? v : most;
                    }
                    lo = least;
                    hi = most;
                  });
    ranges[2 * u] = lo;
    ranges[2 * u + 1] = hi;
  });
  for (int64_t c = 0; c < a.channels; ++c) {
    float lo = 0.0f, hi = 0.0f;  // the range contains 0
    for (int64_t u = c * parts.count; u < (c + 1) * parts.count; ++u) {
      lo = ranges[2 * u] < lo ? ranges[2 * u] : lo;
      hi = ranges[2 * u + 1] > hi ? ranges[2 * u + 1] : hi;
    }
    math::RangeToQparams(lo, hi, a.qmin, a.qmax, a.symmetric != 0, /*power_of_two=*/false,
                         a.scale + c, a.zero_point + c);
    for (int32_t k = 0; k < a.candidates; ++k) {
      scales[c * candidates + k] = math::CandidateScale(a.scale[c], k + 1, a.candidates);
    }
  }

  ParallelBlocks(ctx, units, 1, [=](int64_t, int64_t u, int64_t) {
    const int64_t channel = u / parts.count, begin = u % parts.count * parts.length;
    double* sums = errors + u * candidates;
    for (int64_t k = 0; k < candidates; ++k) sums[k] = 0.0;
    const Candidates c = {scales + channel * candidates, candidates,
                          static_cast<float>(a.zero_point[channel]), qmin, qmax};
    Real pack[kPack];
    int64_t held = 0;
    ForRuns<Real>(a, channel, begin, Min(length, begin + parts.length),
                  [&](const Real* x, int64_t n) {
                    int64_t i = 0;
                    for (; held > 0 && held < kPack && i < n; ++i) pack[held++] = x[i];
                    if (held == kPack) {
                      AddErrors(pack, kPack, c, sums);
                      held = 0;
                    }
                    for (; i + kPack <= n; i += kPack) AddErrors(x + i, kPack, c, sums);
                    for (; i < n; ++i) pack[held++] = x[i];
                  });
    if (held > 0) AddErrors(pack, held, c, sums);
  });

  for (int64_t c = 0; c < a.channels; ++c) {
    double* sums = errors + c * parts.count * candidates;
    for (int64_t part = 1; part < parts.count; ++part) {
      const double* next = sums + part * candidates;
      for (int64_t k = 0; k < candidates; ++k) sums[k] += next[k];
    }
    int64_t best = candidates - 1;
    for (int64_t k = candidates - 2; k >= 0 && parts.count > 0; --k) {
      if (sums[k] < sums[best]) best = k;
    }
    a.scale[c] = scales[c * candidates + best];
  }
  return QT_OK;
}

}  // namespace

qt_status mse_scale(qt_context& ctx, const qt_mse_scale_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return MseScale<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
