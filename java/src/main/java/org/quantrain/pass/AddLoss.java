package org.quantrain.pass;

import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Puts softmax cross-entropy behind the logits: a second input "labels" and the outputs (logits,
 * loss, correct).
 */
public final class AddLoss {
  /** Name of the input that takes the labels, [N] int32. */
  public static final String LABELS = "labels";

  private AddLoss() {}

  public static Graph apply(Graph graph, float smoothing) {
    GraphBuilder builder = new GraphBuilder(graph);
    Value logits = graph.outputs().get(0);
    Value labels = builder.input(LABELS, TensorSpec.s32(Shape.BATCH));
    Node loss = builder.node("loss", new SoftmaxCrossEntropy(smoothing), logits, labels);
    return builder.build(logits, loss.output(0), loss.output(1));
  }
}
