package org.quantrain.onnx;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Binary;
import org.quantrain.op.Reshape;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/**
 * Which values of a graph under construction are 0 or 1 everywhere, because of what computes them.
 * ONNX's truth values are such floats here; turned into truth values once more they stay the same.
 */
final class TruthValues {
  private static final Unary NOT = new Unary(Unary.Kind.AFFINE, -1, 1);

  private final GraphBuilder builder;
  private final Map<String, HostTensor> contents;
  private final Set<Value> computed = new HashSet<>();
  private int looked;

  /**
   * @param contents of the persistent values, by name
   */
  TruthValues(GraphBuilder builder, Map<String, HostTensor> contents) {
    this.builder = builder;
    this.contents = contents;
  }

  boolean holds(Value value) {
    List<Node> nodes = builder.nodes();
    for (; looked < nodes.size(); looked++) {
      Node node = nodes.get(looked);
      if (isTruth(node)) {
        computed.add(node.output(0));
      }
    }
    return isKnown(value);
  }

  private boolean isKnown(Value value) {
    return value.role() == Value.Role.STATE
        ? areTruths(contents.get(value.name()))
        : computed.contains(value);
  }

  private boolean isTruth(Node node) {
    if (node.op() instanceof Binary binary) {
      return switch (binary.function()) {
        case EQUAL, LESS -> true;
        case MUL, MAX, MIN -> node.inputs().stream().allMatch(this::isKnown);
        default -> false;
      };
    }
    boolean negated = node.op().equals(NOT);
    boolean moved = node.op() instanceof Reshape || node.op() instanceof Transpose;
    return (negated || moved) && isKnown(node.input(0));
  }

  private static boolean areTruths(HostTensor contents) {
    if (contents.spec().dtype() != DType.F32) {
      return false;
    }
    for (float value : contents.floats()) {
      if (value != 0 && value != 1) {
        return false;
      }
    }
    return true;
  }
}
