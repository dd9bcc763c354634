package org.quantrain.train;

import java.util.Arrays;
import java.util.function.DoubleBinaryOperator;
import org.quantrain.quant.ValueCounts;
import org.quantrain.runtime.Collective;

/**
 * What a process observed on its share of the batches becomes what all of them did, as one process
 * would have observed it on all batches: neither counts nor extremes depend on who saw which. Each
 * process calls the same methods in the same order.
 */
final class SharedObservations {
  private final Collective collective;

  SharedObservations(Collective collective) {
    this.collective = collective;
  }

  /** Counts of all processes in the widest of their bins; exact below 2^53 values in a bin. */
  ValueCounts all(ValueCounts own) {
    double width = all(own.width(), Math::max);
    long[] counts = own.in(width).counts();
    double[] sums = new double[counts.length + 1];
    for (int i = 0; i < counts.length; i++) {
      sums[i] = counts[i];
    }
    sums[counts.length] = own.notFinite();
    collective.sum(sums);
    for (int i = 0; i < counts.length; i++) {
      counts[i] = (long) sums[i];
    }
    return new ValueCounts(counts, width, (long) sums[counts.length]);
  }

  /** A number of each process, put together. */
  double all(double own, DoubleBinaryOperator together) {
    double[] each = new double[collective.size()];
    Arrays.fill(each, -0.0); // which leaves what it is added to, -0 too
    each[collective.rank()] = own;
    collective.sum(each);
    return Arrays.stream(each).reduce(together).getAsDouble();
  }
}
