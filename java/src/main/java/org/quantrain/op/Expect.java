package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Checks shared by the shape inference of the operations; every message says what was expected and
 * what came.
 */
final class Expect {
  private Expect() {}

  static void count(List<TensorSpec> in, int min, int max) {
    if (in.size() < min || in.size() > max) {
      throw new ShapeException(
          "expected " + min + (max > min ? " to " + max : "") + " inputs, got " + in.size());
    }
  }

  static void rank(String what, TensorSpec spec, int rank) {
    if (spec.shape().rank() != rank) {
      throw new ShapeException(what + ": expected rank " + rank + ", got " + spec);
    }
  }

  static void dtype(String what, TensorSpec spec, DType dtype) {
    if (spec.dtype() != dtype) {
      throw new ShapeException(what + ": expected " + dtype + ", got " + spec);
    }
  }

  /** Operands of a product: both float32 or both bf16. */
  static void operands(TensorSpec a, TensorSpec b) {
    if (a.dtype() != DType.F32 && a.dtype() != DType.BF16 || a.dtype() != b.dtype()) {
      throw new ShapeException("expected two operands in F32 or in BF16, got " + a + " and " + b);
    }
  }

  static void codes(String what, TensorSpec spec) {
    if (!spec.dtype().isCodes()) {
      throw new ShapeException(what + ": expected codes (U8 or S8), got " + spec);
    }
  }

  static void realOrCodes(String what, TensorSpec spec) {
    if (spec.dtype() != DType.F32 && !spec.dtype().isCodes()) {
      throw new ShapeException(what + ": expected F32 or codes (U8 or S8), got " + spec);
    }
  }

  static void is(String what, TensorSpec spec, TensorSpec expected) {
    if (!spec.equals(expected)) {
      throw new ShapeException(what + ": expected " + expected + ", got " + spec);
    }
  }

  /** Each of in[from..] is a vector of {@code n} elements of this type. */
  static void vectors(List<TensorSpec> in, int from, int to, DType dtype, int n) {
    for (int i = from; i < to; i++) {
      is("input " + i, in.get(i), new TensorSpec(dtype, Shape.of(n)));
    }
  }

  static void channelsLast(String what, TensorSpec spec) {
    if (spec.shape().rank() == 4 && !spec.isChannelsLast()) {
      throw new ShapeException(what + ": expected channels-last, got " + spec);
    }
  }

  static void rowMajor(String what, TensorSpec spec) {
    if (spec.isChannelsLast()) {
      throw new ShapeException(what + ": expected row-major, got channels-last " + spec);
    }
  }

  static void axis(int axis, Shape x) {
    if (axis < 0 || axis >= x.rank() || axis == x.batchDim()) {
      throw new ShapeException(
          "axis " + axis + ": expected a dimension of " + x + ", not the batch");
    }
  }

  static void broadcasts(Shape from, Shape to) {
    if (!Broadcast.of(from, to).equals(to)) {
      throw new ShapeException("shape " + from + " does not broadcast to " + to);
    }
  }

  /** Size of the dimension that is innermost in memory: the last, or the channels of an image. */
  static int innermost(TensorSpec spec) {
    Shape shape = spec.shape();
    int dim = spec.isChannelsLast() ? 1 : shape.rank() - 1;
    if (shape.rank() < 2 || shape.batchDim() == dim) {
      throw new ShapeException("expected channels innermost in memory, got " + spec);
    }
    return shape.dim(dim);
  }

  /** Size of dimension 1 of an activation: the channels of [N,C,H,W], the features of [N,C]. */
  static int channels(TensorSpec spec) {
    if (spec.shape().rank() != 2 && spec.shape().rank() != 4) {
      throw new ShapeException("expected an activation of rank 2 or 4, got " + spec);
    }
    channelsLast("activation", spec);
    if (spec.shape().batchDim() == 1) {
      throw new ShapeException("expected channels in dimension 1, got " + spec);
    }
    return spec.shape().dim(1);
  }
}
