package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Mean and biased variance per channel; moves the running statistics. Inputs x [N,C,...], running
 * mean, running variance (STATE); outputs mean [C], var [C].
 */
public record BatchNormStats(float epsilon, float momentum) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    int c = Expect.channels(in.get(0));
    Expect.vectors(in, 1, 3, DType.F32, c);
    return List.of(TensorSpec.f32(c), TensorSpec.f32(c));
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(1, 2);
  }

  /** The gradient of the variance arrives as the gradient of sigma = sqrt(var + epsilon). */
  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dx =
        b.add(
            node.name() + ".dx",
            new BatchNormStatsBackward(epsilon),
            node.input(0),
            node.output(0),
            node.output(1),
            outputGrads.get(0),
            outputGrads.get(1));
    return Arrays.asList(dx, null, null);
  }
}
