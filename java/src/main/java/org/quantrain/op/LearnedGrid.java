package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * The codes of a learned quantizer, as they are; what it adds is where their gradient goes: to the
 * real value before rounding and to the learned values, instead of through whatever computed the
 * codes. Inputs codes, x (float32, like codes), scale [C], zero-point [C], then by the rule the
 * offset of {@link LearnedQParams} [C], the clip [C], or the ends of there and the softness [C];
 * output the codes.
 */
public record LearnedGrid(QuantSpec spec, ScaleRule rule, float gradientScale) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 4 + rule.operands(), 4 + rule.operands());
    Expect.is("codes", in.get(0), in.get(1).as(spec.container()));
    Expect.dtype("x", in.get(1), DType.F32);
    expectOperands(spec, in.get(1), in, 2);
    return List.of(in.get(0));
  }

  /** Scale, zero-point and learned values from in[from] on. */
  static void expectOperands(QuantSpec spec, TensorSpec x, List<TensorSpec> in, int from) {
    int c = spec.perChannel() ? x.shape().dim(0) : 1;
    Expect.vectors(in, from, from + 1, DType.F32, c);
    Expect.vectors(in, from + 1, from + 2, DType.S32, c);
    Expect.vectors(in, from + 2, in.size(), DType.F32, c);
  }

  @Override
  public int aliasOf(int output) {
    return 0;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> in = new ArrayList<>(List.of(node.input(1), outputGrads.get(0)));
    in.addAll(node.inputs().subList(2, node.inputs().size()));
    LearnedGridBackward op = new LearnedGridBackward(spec, rule, gradientScale);
    Node backward = b.node(node.name() + ".dx", op, in);
    List<Value> grads = new ArrayList<>(Arrays.asList(null, backward.output(0)));
    grads.addAll(op.operandGradients(backward));
    return grads;
  }
}
