package org.quantrain.pass;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.ScaleRule;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantizerState;

/**
 * A learned quantizer in a lowered graph.
 *
 * @param operands scale, zero-point, and what else the gradient needs, in the order of {@link
 *     LearnedGrid}
 */
record LearnedQuantizer(FakeQuant quant, List<Value> operands) {
  /**
   * Adds the nodes that make scale and zero-point of the learned values.
   *
   * @param scales how many there are
   */
  static LearnedQuantizer in(GraphBuilder builder, FakeQuant quant, int scales) {
    ScaleRule rule = quant.rule();
    List<Value> learned = LearnedValues.in(builder, quant, scales);
    LearnedQParams op = new LearnedQParams(quant.spec(), rule);
    boolean soft = rule == ScaleRule.SOFT_CLIP || rule == ScaleRule.SOFT_RANGE;
    int last = learned.size() - 1;
    List<Value> made = soft ? learned.subList(0, last) : learned;
    Node qparams = builder.node(quant.quantizer() + ".qparams", op, made);
    boolean calibratedZeroPoint = rule == ScaleRule.STEP && !quant.spec().symmetric();
    Value zeroPoint =
        calibratedZeroPoint
            ? QuantizerState.in(builder, quant.quantizer(), scales).zeroPoint()
            : qparams.output(1);
    List<Value> operands = new ArrayList<>(List.of(qparams.output(0), zeroPoint));
    if (soft) {
      operands.addAll(List.of(qparams.output(2), qparams.output(3), learned.get(last)));
    } else if (rule == ScaleRule.STEP_AND_OFFSET) {
      operands.add(qparams.output(2));
    } else if (rule == ScaleRule.CLIP) {
      operands.add(learned.get(0));
    }
    return new LearnedQuantizer(quant, operands);
  }

  Value scale() {
    return operands.get(0);
  }

  Value zeroPoint() {
    return operands.get(1);
  }

  /**
   * Of a quantizer whose values are x: for each scale the elements of one image, or of a weight.
   */
  float gradientScale(Value x) {
    return quant.rule().gradientScale(x.spec().shape().elementsPerSample(), quant.spec());
  }

  /** The codes of x, with a gradient for x and for the learned values. */
  Value attach(GraphBuilder builder, Value codes, Value x) {
    List<Value> in = new ArrayList<>(List.of(codes, x));
    in.addAll(operands);
    LearnedGrid op = new LearnedGrid(quant.spec(), quant.rule(), gradientScale(x));
    return builder.node(quant.quantizer() + ".learned", op, in).output();
  }
}
