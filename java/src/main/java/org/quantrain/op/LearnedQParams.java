package org.quantrain.op;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Learned values to the scale and zero-point that training, evaluation and export share. Inputs
 * {@link ScaleRule#learned()}, [C] each (a soft rule's without the softness); outputs scale [C],
 * zero-point [C] int32, then with a learned offset the real number of code 0 [C], for a soft rule
 * the ends of the grid, lower [C] and upper [C]. A learned scale counts by its magnitude, so that a
 * step of the optimizer past 0 does no harm.
 */
public record LearnedQParams(QuantSpec spec, ScaleRule rule) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    if (!rule.isLearned()) {
      throw new ShapeException("an observed quantizer has no learned values");
    }
    int count = rule.learned().size() - (rule.isSoft() ? 1 : 0);
    Expect.count(in, count, count);
    int c = in.get(0).shape().dim(0);
    Expect.vectors(in, 0, count, DType.F32, c);
    List<TensorSpec> out = new ArrayList<>(List.of(TensorSpec.f32(c), TensorSpec.s32(c)));
    if (rule == ScaleRule.STEP_AND_OFFSET) {
      out.add(TensorSpec.f32(c));
    } else if (rule.isSoft()) {
      out.addAll(List.of(TensorSpec.f32(c), TensorSpec.f32(c)));
    }
    return out;
  }

  /** The rounding of a zero-point, and with it that of the ends, is straight-through. */
  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dlower = rule.isSoft() ? outputGrads.get(2) : null;
    Value dupper = rule.isSoft() ? outputGrads.get(3) : null;
    return switch (rule) {
      case STEP -> List.of(timesSign(b, node.name() + ".d", outputGrads.get(0), node.input(0)));
      case STEP_AND_OFFSET ->
          List.of(
              timesSign(b, node.name() + ".d", outputGrads.get(0), node.input(0)),
              outputGrads.get(2));
      case SOFT_CLIP -> List.of(spec.symmetric() ? ofBothEnds(b, node, dlower, dupper) : dupper);
      case SOFT_RANGE -> List.of(dlower, dupper);
      case CLIP, OBSERVED -> throw new GraphException(node + ": the clip has the gradient");
    };
  }

  /** The lower end is minus the clip, and negative: its sign is the factor. */
  private static Value ofBothEnds(GraphBuilder b, Node node, Value dlower, Value dupper) {
    Value negated = timesSign(b, node.name() + ".dlower", dlower, node.output(2));
    return b.add(node.name() + ".d", new Add(), dupper, negated);
  }

  private static Value timesSign(GraphBuilder b, String name, Value gradient, Value of) {
    return b.add(name, new TimesSign(), gradient, of);
  }
}
