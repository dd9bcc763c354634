package org.quantrain.quant;

import org.quantrain.tensor.QuantSpec;

/**
 * How often values were seen, and which range serves them best.
 *
 * @param counts of values in [(i - m) width, (i + 1 - m) width), m half the number of bins
 * @param notFinite how many values were NaN or infinite
 */
public record ValueCounts(long[] counts, double width, long notFinite) {
  /** Ranges that are tried, equally spaced up to the whole one. */
  private static final int CANDIDATES = 200;

  /** The ends of a range. */
  public record Range(double min, double max) {}

  /**
   * The same values in wider bins, exactly as if they had been counted in these.
   *
   * @param wider a power of two times the width
   */
  public ValueCounts in(double wider) {
    int doublings = Math.min(Math.getExponent(wider) - Math.getExponent(width), Integer.SIZE - 1);
    int half = counts.length / 2;
    long[] merged = new long[counts.length];
    for (int i = 0; i < half; i++) { // how far a bin is from zero, on either side
      merged[half + (i >> doublings)] += counts[half + i];
      merged[half - 1 - (i >> doublings)] += counts[half - 1 - i];
    }
    return new ValueCounts(merged, wider, notFinite);
  }

  /** From the lowest to the highest bin with a value; 0 to 0 without values. */
  Range whole() {
    int first = 0;
    int last = counts.length - 1;
    while (first < counts.length && counts[first] == 0) {
      first++;
    }
    while (last >= 0 && counts[last] == 0) {
      last--;
    }
    return first > last ? new Range(0, 0) : new Range(lower(first), lower(last + 1));
  }

  private double lower(int bin) {
    return (bin - counts.length / 2) * width;
  }

  private double centre(int bin) {
    return (bin - counts.length / 2 + 0.5) * width;
  }

  /**
   * The range without the outermost values: (1 - kept) / 2 of them at each end, or all of them at
   * the one end where values go on if they are all of one sign.
   *
   * @param kept part of the values, in (0, 1]
   */
  public Range percentile(double kept) {
    Range whole = whole();
    boolean oneSided = whole.min >= 0 || whole.max <= 0;
    long total = 0;
    for (long count : counts) {
      total += count;
    }
    double cut = (1 - kept) * total / (oneSided ? 1 : 2);
    int first = 0;
    int last = counts.length - 1;
    for (double below = counts[first]; whole.min < 0 && below <= cut; below += counts[first]) {
      first++;
    }
    for (double above = counts[last]; whole.max > 0 && above <= cut; above += counts[last]) {
      last--;
    }
    return new Range(
        whole.min < 0 ? Math.max(whole.min, lower(first)) : whole.min,
        whole.max > 0 ? Math.min(whole.max, lower(last + 1)) : whole.max);
  }

  /**
   * The range whose grid has the least squared error: both ends of the whole range, made smaller by
   * one factor. Every value counts as the middle of its bin.
   */
  public Range leastSquares(QuantSpec grid) {
    Range whole = whole();
    Range best = whole;
    double least = Double.POSITIVE_INFINITY;
    for (int i = CANDIDATES; i >= 1; i--) {
      double factor = (double) i / CANDIDATES;
      Range range = new Range(whole.min * factor, whole.max * factor);
      double error = squaredError(range, grid);
      if (error < least) {
        least = error;
        best = range;
      }
    }
    return best;
  }

  private double squaredError(Range range, QuantSpec grid) {
    double low = Math.min(range.min, 0);
    double high = Math.max(range.max, 0);
    double step =
        grid.symmetric()
            ? Math.max(-low, high) / grid.qmax()
            : (high - low) / (grid.qmax() - grid.qmin());
    if (!(step > 0)) {
      return Double.POSITIVE_INFINITY;
    }
    if (grid.powerOfTwo()) {
      step = Math.scalb(1.0, Math.getExponent(Math.nextDown(step)) + 1);
    }
    double zero = grid.symmetric() ? 0 : grid.qmin() - Math.rint(low / step);
    double error = 0;
    for (int i = 0; i < counts.length; i++) {
      if (counts[i] > 0) {
        double x = centre(i);
        double level = Math.min(grid.qmax(), Math.max(grid.qmin(), Math.rint(x / step) + zero));
        double off = x - step * (level - zero);
        error += counts[i] * off * off;
      }
    }
    return error;
  }
}
