package org.quantrain.backend.shared;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Relu;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.TensorSpec;

/** A library that refuses: the node is named, whenever that is. */
class StepsTest {
  private static final TensorSpec SPEC = TensorSpec.f32(3);

  private static Steps steps() {
    Value x = new Value("x", SPEC, Value.Role.INPUT);
    Value y = new Value("y", SPEC, Value.Role.COMPUTED);
    Node node = new Node("first", new Relu(), List.of(x), List.of(y));
    Binding.Operand operand = new Binding.Operand(SPEC, 64, false);
    return new Steps(new Binding(node, List.of(operand), List.of(operand), null));
  }

  private static LibraryFailure refusal() {
    return new LibraryFailure("cuDNN: finalize: refused");
  }

  private static void requireNamed(Runnable failing) {
    String message = assertThrows(QuantrainException.class, failing::run).getMessage();
    assertEquals(
        "[Relu:first] cuDNN: finalize: refused; (" + SPEC + ") -> (" + SPEC + ")", message);
  }

  @Test
  void whenAStepRuns() {
    Steps steps = steps();
    steps.add(
        () -> {
          throw refusal();
        });
    requireNamed(steps::run);
  }

  @Test
  void whenTheWorkspaceIsBound() {
    Steps steps = steps();
    steps
        .scratch()
        .region(64)
        .whenKnown(
            address -> {
              throw refusal();
            });
    requireNamed(() -> steps.attach(64));
  }
}
