// Argument checks: elementwise and broadcast operations, strided copies, rows, gather.
#include "checks/checker.h"

namespace qt {
namespace {

// y = f(x) or, with dy, its gradient: the kind and what it takes.
template <class Args>
int64_t UnaryFields(Checker* c, const Args& a) {
  const int64_t n = c->Sizes("n", {a.n});
  c->Range("kind", a.kind, QT_UNARY_AFFINE, QT_UNARY_CLIP);
  c->Require(a.alpha == a.alpha, "alpha", "a number, got NaN");
  c->Require(a.beta == a.beta, "beta", "a number, got NaN");
  if (a.kind == QT_UNARY_CLIP) c->Require(a.alpha <= a.beta, "alpha", "at most beta");
  return n;
}

// An operand of a call whose output is dense in size; returns it where the output may be it.
const void* Operand(Checker* c, const char* field, const void* p, int32_t element_type,
                    const char* stride_field, const int64_t (&size)[6],
                    const int64_t (&stride)[6]) {
  const Checker::Extent extent = c->Strided(stride_field, size, stride);
  c->RealIn(field, p, extent.count(), element_type);
  return c->ok() && Checker::Dense(size, stride) ? p : nullptr;
}

int64_t Elements(Checker* c, const int64_t (&size)[6]) {
  return c->Sizes("size", {size[0], size[1], size[2], size[3], size[4], size[5]});
}

}  // namespace

qt_status Check(qt_context& ctx, const qt_unary_args& a) {
  Checker c(ctx, "unary");
  c.RealType(a.element_type);
  const int64_t n = UnaryFields(&c, a);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_unary_backward_args& a) {
  Checker c(ctx, "unary_backward");
  c.RealType(a.element_type);
  const int64_t n = UnaryFields(&c, a);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.RealOut("dx", a.dx, n, a.element_type, a.x, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_binary_args& a) {
  Checker c(ctx, "binary");
  c.RealType(a.element_type);
  const int64_t n = Elements(&c, a.size);
  c.Range("kind", a.kind, QT_BINARY_ADD, QT_BINARY_LESS);
  const void* dense_a = Operand(&c, "a", a.a, a.element_type, "a_stride", a.size, a.a_stride);
  const void* dense_b = Operand(&c, "b", a.b, a.element_type, "b_stride", a.size, a.b_stride);
  c.RealOut("y", a.y, n, a.element_type, dense_a, dense_b);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_where_args& a) {
  Checker c(ctx, "where");
  c.RealType(a.element_type);
  const int64_t n = Elements(&c, a.size);
  Operand(&c, "condition", a.condition, QT_ELEMENT_F32, "condition_stride", a.size,
          a.condition_stride);
  const void* dense_a = Operand(&c, "a", a.a, a.element_type, "a_stride", a.size, a.a_stride);
  const void* dense_b = Operand(&c, "b", a.b, a.element_type, "b_stride", a.size, a.b_stride);
  c.RealOut("y", a.y, n, a.element_type, dense_a, dense_b);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_strided_copy_args& a) {
  Checker c(ctx, "strided_copy");
  c.MovedBytes(a.element_bytes);
  const int64_t bytes = a.element_bytes;
  const Checker::Extent x = c.Strided("x_stride", a.size, a.x_stride, /*may_be_negative=*/true);
  const Checker::Extent y = c.Strided("y_stride", a.size, a.y_stride);
  c.Distinct("y_stride", a.size, a.y_stride);
  if (a.x != nullptr) {
    const uintptr_t first = reinterpret_cast<uintptr_t>(a.x) + static_cast<uintptr_t>(bytes * x.low);
    c.InBytes("x", reinterpret_cast<const void*>(first), bytes * x.count(), bytes);
  }
  c.OutBytes("y", a.y, bytes * y.count(), bytes);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_reduce_args& a) {
  Checker c(ctx, "reduce");
  c.RealType(a.element_type);
  const int64_t elements = c.Sizes("outer, n, inner", {a.outer, a.n, a.inner});
  c.Range("n", a.n, 1, kMaxRows);
  c.Range("kind", a.kind, QT_REDUCE_SUM, QT_REDUCE_MIN);
  c.RealIn("x", a.x, elements, a.element_type);
  c.RealOut("y", a.y, c.Sizes("outer, inner", {a.outer, a.inner}), a.element_type);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_softmax_args& a) {
  Checker c(ctx, "softmax");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("rows, n", {a.rows, a.n});
  c.RealIn("x", a.x, n, a.element_type);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_softmax_backward_args& a) {
  Checker c(ctx, "softmax_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("rows, n", {a.rows, a.n});
  c.RealIn("y", a.y, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_layer_norm_args& a) {
  Checker c(ctx, "layer_norm");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("rows, n", {a.rows, a.n});
  c.Range("n", a.n, 1, kMaxRows);
  c.Positive("epsilon", a.epsilon);
  c.RealIn("x", a.x, n, a.element_type);
  c.In("gamma", a.gamma, a.n);
  c.In("beta", a.beta, a.n);
  c.RealOut("y", a.y, n, a.element_type, a.x);
  c.OutOptional("mean", a.mean, a.rows);
  c.OutOptional("rstd", a.rstd, a.rows);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_layer_norm_backward_args& a) {
  Checker c(ctx, "layer_norm_backward");
  c.RealType(a.element_type);
  const int64_t n = c.Sizes("rows, n", {a.rows, a.n});
  c.Range("n", a.n, 1, kMaxRows);
  c.RealIn("x", a.x, n, a.element_type);
  c.RealIn("dy", a.dy, n, a.element_type);
  c.In("gamma", a.gamma, a.n);
  c.In("mean", a.mean, a.rows);
  c.In("rstd", a.rstd, a.rows);
  c.RealOut("dx", a.dx, n, a.element_type, a.dy);
  c.Out("dgamma", a.dgamma, a.n);
  c.Out("dbeta", a.dbeta, a.n);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_gather_args& a) {
  Checker c(ctx, "gather");
  c.MovedBytes(a.element_bytes);
  const int64_t x = c.Sizes("outer, axis, inner", {a.outer, a.axis, a.inner, a.element_bytes});
  const int64_t y = c.Sizes("outer, count, inner", {a.outer, a.count, a.inner, a.element_bytes});
  c.Range("axis", a.axis, 0, kMaxRows);
  c.InBytes("x", a.x, x, a.element_bytes);
  c.Indices("indices", a.indices, a.count, a.axis);
  c.OutBytes("y", a.y, y, a.element_bytes);
  return c.Done();
}

qt_status Check(qt_context& ctx, const qt_gather_backward_args& a) {
  Checker c(ctx, "gather_backward");
  const int64_t x = c.Sizes("outer, axis, inner", {a.outer, a.axis, a.inner});
  const int64_t y = c.Sizes("outer, count, inner", {a.outer, a.count, a.inner});
  c.RealType(a.element_type);
  c.Range("axis", a.axis, 0, kMaxRows);
  c.Range("count", a.count, 0, kMaxRows);
  c.RealIn("dy", a.dy, y, a.element_type);
  c.Indices("indices", a.indices, a.count, a.axis);
  c.Out("dx", a.dx, x);
  return c.Done();
}

}  // namespace qt
