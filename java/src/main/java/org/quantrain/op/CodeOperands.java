package org.quantrain.op;

import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;

/**
 * What the gradients of a product of codes multiply: x and w, and the gradient of the accumulator.
 *
 * <p>In float32 they are de-quantized. In bf16 they are integers, without their scales, which bf16
 * holds; w's scale lies on the reduced axis of the gradient of x, so it goes into the gradient
 * before that is rounded, and comes off the gradient of w, where it is constant along the sum.
 *
 * @param dy of the accumulator's real number; in bf16, times w's scale
 */
record CodeOperands(Value x, Value w, Value dy, Value xScale, Value wScale) {
  /** Of a node with the inputs x, scale, zero-point, w, scale and, if it has one, zero-point. */
  static CodeOperands of(GraphBuilder b, Node node, Compute compute, Value dy) {
    boolean wAffine = node.inputs().size() > 5;
    Value xScale = node.input(1);
    Value wScale = node.input(4);
    if (compute == Compute.F32) {
      Dequantize real = new Dequantize();
      Value x = b.add(node.name() + ".x", real, node.input(0), xScale, node.input(2));
      Value w =
          wAffine
              ? b.add(node.name() + ".w", real, node.input(3), wScale, node.input(5))
              : b.add(node.name() + ".w", real, node.input(3), wScale);
      return new CodeOperands(x, w, dy, xScale, wScale);
    }
    CodesToBf16 integers = new CodesToBf16();
    Value x = b.add(node.name() + ".x", integers, node.input(0), node.input(2));
    Value w =
        wAffine
            ? b.add(node.name() + ".w", integers, node.input(3), node.input(5))
            : b.add(node.name() + ".w", integers, node.input(3));
    boolean ready = dy.spec().dtype() == DType.BF16;
    Value operand = ready ? dy : b.add(node.name() + ".dy", new ToBf16(), dy, wScale);
    return new CodeOperands(x, w, operand, xScale, wScale);
  }

  /** The gradient of w from the product of x and dy. */
  Value gradientOfW(GraphBuilder b, String name, Op product, Value first, Value second) {
    if (dy.spec().dtype() == DType.F32) {
      return b.add(name, product, first, second);
    }
    Value unscaled = b.add(name + ".unscaled", product, first, second);
    return b.add(name, new TimesRatio(), unscaled, xScale, wScale);
  }
}
