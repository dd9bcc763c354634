package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.TensorSpec;

/**
 * Mean cross-entropy with label smoothing over the rows whose label is not negative (padded rows
 * carry -1). Inputs logits [N,C] float32, labels [N] int32; outputs loss [1], number of correct
 * rows [1] int32, gradient of the logits.
 *
 * <p>It ends a training graph: its gradient is taken with respect to the loss itself.
 */
public record SoftmaxCrossEntropy(float smoothing) implements Op {
  public SoftmaxCrossEntropy {
    if (!(smoothing >= 0 && smoothing < 1)) {
      throw new ShapeException("label smoothing: expected 0 <= smoothing < 1, got " + smoothing);
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.rank("logits", in.get(0), 2);
    Expect.is("labels", in.get(1), TensorSpec.s32(in.get(0).shape().dim(0)));
    return List.of(TensorSpec.f32(1), TensorSpec.s32(1), in.get(0));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 2;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return Arrays.asList(node.output(2), null);
  }
}
