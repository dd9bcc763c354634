package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link LearnedGrid}. Inputs x, dy, then scale [C] and what follows it there; outputs
 * dx and the gradients [C] of the scale where it is learned, and of what follows the zero-point.
 */
public record LearnedGridBackward(QuantSpec spec, ScaleRule rule, float gradientScale)
    implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 4 + rule.operands(), 4 + rule.operands());
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.is("dy", in.get(1), in.get(0));
    LearnedGrid.expectOperands(spec, in.get(0), in, 2);
    List<TensorSpec> out = new ArrayList<>(List.of(in.get(0)));
    out.addAll(Collections.nCopies(rule.gradients(), in.get(2)));
    return out;
  }

  /** The network's input and other leaves want no gradient. */
  @Override
  public boolean isOptional(int output) {
    return output == 0;
  }

  /** Gradients of scale and what follows it, null where there is none. */
  List<Value> operandGradients(Node node) {
    List<Value> grads = new ArrayList<>(node.outputs().subList(1, node.outputs().size()));
    if (rule.learnsStep()) {
      grads.add(1, null);
    } else {
      grads.addAll(0, Arrays.asList(null, null));
    }
    return grads;
  }
}
