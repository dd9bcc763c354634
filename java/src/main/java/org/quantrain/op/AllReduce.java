package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * A value reduced over all processes that train together, element by element; the same bits in each
 * of them. Input x, any shape; output of the same spec. It has no gradient: it is put into graphs
 * that have theirs.
 */
public record AllReduce(Kind function) implements Op {
  /** The function. */
  public enum Kind {
    SUM,
    /** Sums of pairs of int64, each an integer of 128 bits, low half first. */
    SUM_PAIRS,
    /** Float32: the sum times one over the number of processes. */
    MEAN,
    MIN,
    MAX
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    TensorSpec x = in.get(0);
    if (function == Kind.SUM_PAIRS) {
      Expect.dtype("x", x, DType.S64);
      if (x.shape().dim(x.shape().rank() - 1) != 2) {
        throw new ShapeException("x: expected pairs in the last dimension, got " + x);
      }
    } else if (function == Kind.MEAN) {
      Expect.dtype("x", x, DType.F32);
    } else if (x.dtype() != DType.F32 && x.dtype() != DType.S32 && x.dtype() != DType.S64) {
      throw new ShapeException("x: expected F32, S32 or S64, got " + x);
    }
    return List.of(x);
  }
}
