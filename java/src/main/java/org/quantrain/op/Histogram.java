package org.quantrain.op;

import java.util.List;
import java.util.Set;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Counts values in bins that are 2^exponent wide, half of them below zero and half of them not; the
 * exponent grows as values ask for it, so that the result does not depend on how the values were
 * cut into batches (NUMERICS.md, "Histogram"). Input x, any shape; STATE counts [bins] (int64),
 * exponent [1] (int32), number of NaN [1] and of infinities [1] (int64), updated in place, at first
 * 0 but the exponent, which is {@link #FIRST_EXPONENT}. No outputs.
 *
 * @param bins even, 2 to 65536
 */
public record Histogram(int bins) implements Op {
  public static final int FIRST_EXPONENT = -126;

  private static final int MAX_BINS = 65_536;

  public Histogram {
    if (bins < 2 || bins > MAX_BINS || bins % 2 != 0) {
      throw new ShapeException("bins: expected an even number from 2 to 65536, got " + bins);
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.is("counts", in.get(1), new TensorSpec(DType.S64, Shape.of(bins)));
    Expect.vectors(in, 2, 3, DType.S32, 1);
    Expect.vectors(in, 3, 5, DType.S64, 1);
    return List.of();
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(1, 2, 3, 4);
  }
}
