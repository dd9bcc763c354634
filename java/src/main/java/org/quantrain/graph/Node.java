package org.quantrain.graph;

import java.util.List;
import java.util.stream.Collectors;

/** One operation in a graph. Names are unique within a graph. */
public record Node(String name, Op op, List<Value> inputs, List<Value> outputs) {
  public Node {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }

  public Value input(int i) {
    return inputs.get(i);
  }

  public Value output(int i) {
    return outputs.get(i);
  }

  /** The only output. */
  public Value output() {
    if (outputs.size() != 1) {
      throw new IllegalStateException(
          "[" + op.kind() + ":" + name + "] has " + outputs.size() + " outputs");
    }
    return outputs.get(0);
  }

  @Override
  public String toString() {
    return outputs.stream().map(Value::toString).collect(Collectors.joining(", "))
        + " = "
        + op
        + inputs.stream().map(Value::name).collect(Collectors.joining(", ", "(", ")"));
  }
}
