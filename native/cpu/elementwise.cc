// relu, relu_backward, add, add_bias, channel_sum: one pass over memory each, in
// blocks of kBlock elements or whole rows. Outputs may alias inputs where the API says so: an
// element is read before it is written.
#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/points.h"
#include "cpu/thread_buffers.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {

qt_status relu(qt_context& ctx, const qt_relu_args& a) {
  const float upper = a.upper;
  ForEachValue(ctx, a.n, 1, a.element_type, a.x, a.y,
               [=](auto x, int64_t) { return math::Relu(x, decltype(x)(upper)); });
  return QT_OK;
}

qt_status relu_backward(qt_context& ctx, const qt_relu_backward_args& a) {
  const float upper = a.upper;
  ForEachValue(ctx, a.n, 1, a.element_type, a.y, a.dy, a.dx, [=](auto y, auto dy, int64_t) {
    return math::ReluGradient(y, dy, decltype(y)(upper));
  });
  return QT_OK;
}

qt_status add(qt_context& ctx, const qt_add_args& a) {
  ForEachValue(ctx, a.n, 1, a.element_type, a.a, a.b, a.y,
               [](auto one, auto two, int64_t) { return one + two; });
  return QT_OK;
}

qt_status add_bias(qt_context& ctx, const qt_add_bias_args& args) {
  const int64_t n = args.rows * args.channels, size = RepeatedTable(args.channels);
  float* const bias = ScratchArray<float>(ctx, size);
  if (bias == nullptr) return QT_OUT_OF_MEMORY;
  FillTable(bias, size, args.channels, args.bias, 0.0f);
  ForEachValue(ctx, n, args.channels, args.element_type, args.x, args.y, [=](auto x, int64_t at) {
    return x + LoadAs<decltype(x)>(bias + at);
  });
  return QT_OK;
}

namespace {

template <class Real>
qt_status ChannelSum(qt_context& ctx, const qt_channel_sum_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  const int64_t rows_per_block = RowsPerBlock(channels);
  const int64_t blocks = Max(1, DivUp(args.rows, rows_per_block));
  // The masked sum selects 8 lane rows (whole mask bytes) into a thread's buffer, then adds them.
  const int64_t chunk = 8 * lanes;
  double* partials = ScratchArray<double>(ctx, blocks * lanes + ctx.threads * chunk);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  const ThreadBuffers<Real> buffers(reinterpret_cast<Real*>(partials + blocks * lanes), chunk);
  memset(partials, 0, sizeof(double) * lanes);
  const Real* const x = static_cast<const Real*>(args.x);
  const uint8_t* mask = args.mask;
  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    double* sums = partials + block * lanes;
    memset(sums, 0, sizeof(double) * lanes);
    const int64_t last = end * channels;
    if (mask == nullptr) {
      const int64_t rows = LaneChunk(lanes);
      for (int64_t i = begin * channels; i < last; i += rows) {
        Prefetch(x + i + rows, rows);
        SumLanes(i, Min(i + rows, last), lanes, sums,
                 [=](int64_t k, int64_t) { return static_cast<double>(math::Widen(x[k])); });
      }
      return;
    }
    Real* buffer = buffers.Own();
    for (int64_t i = begin * channels; i < last; i += chunk) {
      const int64_t n = Min(chunk, last - i);
      Prefetch(x + i + chunk, chunk);
      MaskSelect(x + i, mask + i / 8, n, buffer);
      SumLanes(0, n, lanes, sums,
               [=](int64_t k, int64_t) { return static_cast<double>(math::Widen(buffer[k])); });
    }
  });
  CombineLanes(partials, blocks, channels, lanes);
  for (int64_t c = 0; c < channels; ++c) args.sum[c] = static_cast<float>(partials[c]);
  return QT_OK;
}

}  // namespace

qt_status channel_sum(qt_context& ctx, const qt_channel_sum_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return ChannelSum<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
