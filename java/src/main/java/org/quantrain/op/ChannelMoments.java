package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Mean and biased variance per channel, as {@link BatchNormStats} has them, and nothing moves.
 * Input x [N,C,...]; outputs mean [C], var [C]. It has no gradient: it is put into graphs that have
 * theirs.
 */
public record ChannelMoments() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    int c = Expect.channels(in.get(0));
    return List.of(TensorSpec.f32(c), TensorSpec.f32(c));
  }
}
