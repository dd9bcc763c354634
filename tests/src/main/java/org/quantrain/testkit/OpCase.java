package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.quantrain.graph.Op;
import org.quantrain.tensor.HostTensor;

/**
 * Everything that is needed to test and to measure one operation.
 *
 * @param examples edge values and awkward sizes, checked against {@link Oracle}
 * @param gradients small ordinary examples at which the gradient is checked; empty for an operation
 *     without one
 * @param benchmark large enough to come from memory and not from a cache, unless it computes on a
 *     few values only
 */
public record OpCase(
    Class<? extends Op> op,
    Supplier<List<Example>> examples,
    Supplier<List<Example>> gradients,
    Supplier<Example> benchmark) {

  public String name() {
    return op.getSimpleName();
  }

  @Override
  public String toString() {
    return name();
  }

  /** Examples of one case, collected. */
  static final class Examples {
    private final List<Example> list = new ArrayList<>();

    Examples add(String name, Op op, HostTensor... inputs) {
      list.add(Example.of(name, op, inputs));
      return this;
    }

    /** Products in float32, and the same in bf16. */
    static List<Example> inBothTypes(List<Example> products) {
      List<Example> both = new ArrayList<>(products);
      products.forEach(e -> both.add(e.inBf16()));
      return both;
    }

    List<Example> list() {
      return list;
    }
  }
}
