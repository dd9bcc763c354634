package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Correction of a folded convolution to the batch's statistics. Inputs acc, batch mean, batch
 * variance, the variance that the fold used, gamma, beta (all [K]), x scale [1], w scale [1];
 * outputs acc itself (now standing for the corrected value), out scale, bias.
 */
public record ConvBnCorrect(float epsilon) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 8, 8);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.channels(in.get(0));
    Expect.vectors(in, 1, 6, DType.F32, c);
    Expect.vectors(in, 6, 8, DType.F32, 1);
    return List.of(in.get(0), TensorSpec.f32(c), TensorSpec.s32(c));
  }

  @Override
  public int aliasOf(int output) {
    return output == 0 ? 0 : -1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Node grad =
        b.node(
            node.name() + ".dx",
            new ConvBnCorrectBackward(epsilon),
            outputGrads.get(0),
            node.input(0),
            node.input(1),
            node.input(2),
            node.input(3),
            node.input(4),
            node.input(6),
            node.input(7));
    return Arrays.asList(
        grad.output(0),
        grad.output(3),
        grad.output(4),
        null,
        grad.output(1),
        grad.output(2),
        null,
        null);
  }
}
