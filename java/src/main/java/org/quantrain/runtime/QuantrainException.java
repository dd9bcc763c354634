package org.quantrain.runtime;

import java.util.List;
import org.quantrain.graph.Node;
import org.quantrain.tensor.TensorSpec;

/**
 * A plan that cannot be prepared, or a kernel or allocation that failed. The message names
 * operation, node and shapes where a node is concerned.
 */
public class QuantrainException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public QuantrainException(String message) {
    super(message);
  }

  public QuantrainException(String message, Throwable cause) {
    super(message, cause);
  }

  /** A failure of one node: {@code [Op:node] message; (input specs) -> (output specs)}. */
  public static QuantrainException at(
      Node node, List<TensorSpec> inputs, List<TensorSpec> outputs, String message) {
    return new QuantrainException(describe(node, inputs, outputs, message));
  }

  /** The text of {@link #at}, for lists of problems. */
  public static String describe(
      Node node, List<TensorSpec> inputs, List<TensorSpec> outputs, String message) {
    return "["
        + node.op().kind()
        + ":"
        + node.name()
        + "] "
        + message
        + "; "
        + tuple(inputs)
        + " -> "
        + tuple(outputs);
  }

  private static String tuple(List<TensorSpec> specs) {
    return "(" + String.join(", ", specs.stream().map(TensorSpec::toString).toList()) + ")";
  }
}
