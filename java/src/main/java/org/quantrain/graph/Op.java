package org.quantrain.graph;

import java.util.List;
import java.util.Set;
import org.quantrain.tensor.TensorSpec;

/**
 * What a node computes: shape inference and gradient, nothing else. Implementations are records
 * whose components are the attributes; kernels live in backends.
 *
 * <p>Gradient convention. The gradient of a value is the gradient of the loss with respect to the
 * <em>real</em> number that the value stands for, as float32 of the value's shape: of codes q it
 * belongs to s * (q - z), of an accumulator to its scale times (accumulator + bias).
 */
public interface Op {
  default String kind() {
    return getClass().getSimpleName();
  }

  /**
   * Specs of the outputs.
   *
   * @throws ShapeException if the inputs do not fit, saying what was expected
   */
  List<TensorSpec> infer(List<TensorSpec> inputs);

  /**
   * Adds the nodes of the vector-Jacobian product and returns the gradient of each input, null
   * where there is none.
   *
   * @param outputGrads gradient of each output, null where none arrived
   */
  default List<Value> vjp(GraphBuilder builder, Node node, List<Value> outputGrads) {
    throw new GraphException("[" + kind() + ":" + node.name() + "] has no gradient");
  }

  /** Indices of STATE inputs that the node writes in place; later nodes see the new contents. */
  default Set<Integer> updates() {
    return Set.of();
  }

  /**
   * Input whose memory this output shares, or -1. The output has the same bytes; nothing is copied.
   */
  default int aliasOf(int output) {
    return -1;
  }

  /** True if a backend may leave this output unwritten when nothing reads it (masks, argmax). */
  default boolean isOptional(int output) {
    return false;
  }
}
