package org.quantrain.testkit;

import static org.quantrain.testkit.FloatCases.normal;

import java.util.List;
import org.quantrain.op.AllReduce;
import org.quantrain.op.AverageState;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Reductions over processes, for a process by itself: nothing changes. What several make of them is
 * tested with the processes.
 */
final class CollectiveCases {
  private CollectiveCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            AllReduce.class,
            CollectiveCases::reductions,
            List::of,
            () -> reduction(AllReduce.Kind.MEAN, normal(Shape.of(1 << 20), 1))),
        new OpCase(
            AverageState.class,
            () -> List.of(state(5), state(33)),
            List::of,
            () -> state(1 << 20)));
  }

  private static List<Example> reductions() {
    return List.of(
        reduction(AllReduce.Kind.SUM, normal(Shape.of(7), 1)),
        reduction(AllReduce.Kind.MEAN, normal(Shape.of(33), 2)),
        reduction(AllReduce.Kind.MIN, Tensors.vector(3, -7, 0)),
        reduction(AllReduce.Kind.MAX, normal(Shape.of(1), 3)),
        reduction(
            AllReduce.Kind.SUM_PAIRS, HostTensor.zeros(new TensorSpec(DType.S64, Shape.of(5, 2)))));
  }

  private static Example reduction(AllReduce.Kind kind, HostTensor x) {
    return Example.of(kind + " " + x.spec(), new AllReduce(kind), x);
  }

  private static Example state(int n) {
    return Example.of("of " + n, new AverageState(), normal(Shape.of(n), 4));
  }
}
