package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Batch normalization per channel. Inputs x [N,C,...], gamma, beta, running mean, running variance,
 * all [C].
 *
 * <p>TRAIN normalizes with the batch's statistics, outputs (y, mean, biased variance) and moves the
 * running ones: r += momentum * (batch - r), the variance unbiased. FROZEN normalizes with the
 * running statistics and outputs y.
 *
 * @param momentum weight of the new batch, as in PyTorch; ONNX's attribute is 1 minus this
 */
public record BatchNorm(float epsilon, float momentum, Mode mode) implements Op {
  public BatchNorm {
    if (!(epsilon > 0)) {
      throw new ShapeException("epsilon: expected more than 0, got " + epsilon);
    }
  }

  /** Whose statistics normalize. */
  public enum Mode {
    TRAIN,
    FROZEN
  }

  public BatchNorm with(Mode other) {
    return new BatchNorm(epsilon, momentum, other);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.dtype("x", in.get(0), DType.F32);
    int c = Expect.channels(in.get(0));
    Expect.vectors(in, 1, 5, DType.F32, c);
    return mode == Mode.TRAIN
        ? List.of(in.get(0), TensorSpec.f32(c), TensorSpec.f32(c))
        : List.of(in.get(0));
  }

  @Override
  public Set<Integer> updates() {
    return mode == Mode.TRAIN ? Set.of(3, 4) : Set.of();
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value mean = mode == Mode.TRAIN ? node.output(1) : node.input(3);
    Value var = mode == Mode.TRAIN ? node.output(2) : node.input(4);
    Node grad =
        b.node(
            node.name() + ".dx",
            new BatchNormBackward(epsilon, mode),
            node.input(0),
            outputGrads.get(0),
            mean,
            var,
            node.input(1));
    return Arrays.asList(grad.output(0), grad.output(1), grad.output(2), null, null);
  }
}
