// reduce: [outer, n, inner] to [outer, inner]. Rows of one channel run in 16 lanes over parts of kBlock
// elements; otherwise a tile of up to kWidth columns goes down blocks of rows, as in channels.h. Parts
// and blocks are combined pairwise.
#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/tensors.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr int64_t kWidth = 1024;

// n neighbours in 16 lanes.
template <class R, class Real>
typename R::Total Line(const Real* x, int64_t n) {
  constexpr int64_t kLanes = 16;
  typename R::Total lanes[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) lanes[j] = R::Zero();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma omp simd
    for (int64_t j = 0; j < kLanes; ++j) {
      lanes[j] = R::Combine(lanes[j], R::Of(math::Widen(x[i + j])));
    }
  }
  for (int64_t j = 0; i + j < n; ++j) {
    lanes[j] = R::Combine(lanes[j], R::Of(math::Widen(x[i + j])));
  }
  CombinePairwise(lanes, kLanes, 1, [](auto a, auto b) { return R::Combine(a, b); });
  return lanes[0];
}

template <class R, class Real>
qt_status Lines(qt_context& ctx, const qt_reduce_args& a) {
  using Total = typename R::Total;
  const int64_t parts = DivUp(a.n, kBlock);
  Total* partials = nullptr;
  if (parts > 1) {
    partials = ScratchArray<Total>(ctx, a.outer * parts);
    if (partials == nullptr) return QT_OUT_OF_MEMORY;
  }
  const Real* x = static_cast<const Real*>(a.x);
  Real* y = static_cast<Real*>(a.y);
  const int64_t n = a.n;
  ParallelParts(ctx, a.outer, n, [=](int64_t row, int64_t begin, int64_t count) {
    const Total total = Line<R>(x + row * n + begin, count);
    if (parts == 1) {
      math::Narrow(R::Result(total, n), &y[row]);
    } else {
      partials[row * parts + begin / kBlock] = total;
    }
  });
  for (int64_t row = 0; parts > 1 && row < a.outer; ++row) {
    CombinePairwise(partials + row * parts, parts, 1,
                    [](Total one, Total two) { return R::Combine(one, two); });
    math::Narrow(R::Result(partials[row * parts], n), &y[row]);
  }
  return QT_OK;
}

// totals[lane] of `rows` lane rows, `stride` apart, and of `rest` elements of one more.
template <class R, class Real>
void Tile(const Real* x, int64_t rows, int64_t stride, int64_t lanes, int64_t rest,
          typename R::Total* totals) {
  for (int64_t j = 0; j < lanes; ++j) totals[j] = R::Zero();
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) {
    const Real* a = x + row * stride;
    const Real* b = a + stride;
    const Real* c = b + stride;
    const Real* d = c + stride;
    for (int64_t k = 4; k < 8; ++k) Prefetch(a + k * stride, lanes);
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const auto low = R::Combine(R::Of(math::Widen(a[j])), R::Of(math::Widen(b[j])));
      const auto high = R::Combine(R::Of(math::Widen(c[j])), R::Of(math::Widen(d[j])));
      totals[j] = R::Combine(totals[j], R::Combine(low, high));
    }
  }
  for (; row <= rows; ++row) {
    const int64_t width = row < rows ? lanes : rest;
    const Real* a = x + row * stride;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      totals[j] = R::Combine(totals[j], R::Of(math::Widen(a[j])));
    }
  }
}

template <class R, class Real>
qt_status Columns(qt_context& ctx, const qt_reduce_args& args) {
  using Total = typename R::Total;
  const int64_t n = args.n, inner = args.inner;
  const int64_t tiles = DivUp(inner, kWidth);
  const int64_t most = tiles > 1 ? kWidth : Lanes(inner);  // lanes of a tile
  const int64_t rows_per_block = RowsPerBlock(Min(inner, kWidth));
  const int64_t blocks = DivUp(n, rows_per_block);
  const int64_t items = args.outer * tiles;
  Total* partials = nullptr;
  if (blocks > 1) {
    partials = ScratchArray<Total>(ctx, items * blocks * most);
    if (partials == nullptr) return QT_OUT_OF_MEMORY;
  }
  const Real* x = static_cast<const Real*>(args.x);
  Real* y = static_cast<Real*>(args.y);
  const auto combine = [](Total a, Total b) { return R::Combine(a, b); };
  // Copies of the columns, then the result.
  const auto finish = [=](int64_t item, Total* totals) {
    const int64_t first = item % tiles * kWidth, width = Min(kWidth, inner - first);
    if (tiles == 1) CombinePairwise(totals, LaneCopies(inner), inner, combine);
    Real* to = y + item / tiles * inner + first;
    for (int64_t j = 0; j < width; ++j) math::Narrow(R::Result(totals[j], n), &to[j]);
  };
  const int64_t per_block = blocks > 1 ? 1 : ItemsPerBlock(n * Min(inner, kWidth));
  ParallelBlocks(ctx, items * blocks, per_block, [=](int64_t, int64_t begin, int64_t end) {
    Total buffer[kWidth];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t item = i / blocks, row = i % blocks * rows_per_block;
      const int64_t rows = Min(rows_per_block, n - row);
      const int64_t column = item % tiles * kWidth;
      const Real* from = x + (item / tiles * n + row) * inner + column;
      Total* const totals = blocks > 1 ? partials + i * most : buffer;
      if (tiles == 1) {
        const int64_t elements = rows * inner;
        Tile<R>(from, elements / most, most, most, elements % most, totals);
      } else {
        Tile<R>(from, rows, inner, Min(kWidth, inner - column), 0, totals);
      }
      if (blocks == 1) finish(item, totals);
    }
  });
  for (int64_t item = 0; blocks > 1 && item < items; ++item) {
    Total* const totals = partials + item * blocks * most;
    CombinePairwise(totals, blocks, most, combine);
    finish(item, totals);
  }
  return QT_OK;
}

}  // namespace

qt_status reduce(qt_context& ctx, const qt_reduce_args& args) {
  if (args.outer == 0 || args.inner == 0) return QT_OK;
  return math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    return math::WithReduce(args.kind, [&](auto kind) {
      using R = math::Reduction<decltype(kind)::value>;
      return args.inner == 1 ? Lines<R, Real>(ctx, args) : Columns<R, Real>(ctx, args);
    });
  });
}

}  // namespace qt::cpu::QT_ISA
