package org.quantrain.testkit;

import java.util.List;
import java.util.stream.Stream;

/** The cases of all operations. */
public final class OpCases {
  private static final List<OpCase> ALL =
      Stream.of(
              FloatCases.all(),
              ProductCases.all(),
              PoolCases.all(),
              ConcatCases.all(),
              RegionCases.all(),
              QuantizeCases.all(),
              AccumulatorCases.all(),
              BatchNormCases.all(),
              FoldCases.all(),
              LearnedCases.all(),
              ElementwiseCases.all(),
              MovementCases.all(),
              RowCases.all(),
              CollectiveCases.all())
          .flatMap(List::stream)
          .toList();

  private OpCases() {}

  public static List<OpCase> all() {
    return ALL;
  }

  /**
   * @throws IllegalArgumentException naming the operations there are
   */
  public static OpCase of(String op) {
    return ALL.stream()
        .filter(c -> c.name().equals(op))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "no case for '"
                        + op
                        + "'; operations are: "
                        + String.join(", ", ALL.stream().map(OpCase::name).toList())));
  }
}
