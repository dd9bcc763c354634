package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Sum over everything but the channel: [N,C,H,W] or [N,C] to [C], float32, in a fixed order. */
public record ChannelSum() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return List.of(TensorSpec.f32(Expect.channels(in.get(0))));
  }
}
