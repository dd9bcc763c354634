package org.quantrain.runtime;

import java.util.List;
import org.quantrain.graph.Node;
import org.quantrain.tensor.TensorSpec;

/**
 * A node with the memory of its values: what a backend prepares a kernel from.
 *
 * @param scalars what changes from step to step, read by kernels through its address
 */
public record Binding(Node node, List<Operand> inputs, List<Operand> outputs, StepScalars scalars) {
  /**
   * One value.
   *
   * @param spec with the batch size substituted
   * @param address of the first byte; 0 for an optional output that nothing reads
   * @param constant whether its contents are the same in every run and there already
   */
  public record Operand(TensorSpec spec, long address, boolean constant) {}

  public Binding {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }

  public Operand input(int i) {
    return inputs.get(i);
  }

  public Operand output(int i) {
    return outputs.get(i);
  }

  public List<TensorSpec> inputSpecs() {
    return inputs.stream().map(Operand::spec).toList();
  }

  public List<TensorSpec> outputSpecs() {
    return outputs.stream().map(Operand::spec).toList();
  }

  /** A failure of this node, with its shapes. */
  public QuantrainException failure(String message) {
    return QuantrainException.at(node, inputSpecs(), outputSpecs(), message);
  }
}
