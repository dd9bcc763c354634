package org.quantrain.report;

import java.util.Arrays;
import java.util.Locale;

/** How often each code of a layer's weights occurs, as an SVG small enough for a table's cell. */
final class CodeHistogram {
  private static final int WIDTH = 112;
  private static final int HEIGHT = 26;
  private static final int MOST_BARS = 56;

  private CodeHistogram() {}

  static void writeTo(Markup page, LayerRow.Weights weights) {
    long[] counts = weights.histogram();
    int first = weights.firstCode();
    if (counts.length > 1 && counts[0] == 0) { // A narrow grid has no lowest code.
      counts = Arrays.copyOfRange(counts, 1, counts.length);
      first++;
    }
    long[] bars = binned(counts);
    long highest = Math.max(1, Arrays.stream(bars).max().orElse(1));
    long all = Math.max(1, Arrays.stream(counts).sum());
    double width = (double) WIDTH / bars.length;
    StringBuilder path = new StringBuilder();
    for (int i = 0; i < bars.length; i++) {
      if (bars[i] == 0) {
        continue;
      }
      double height = Math.max(0.6, (HEIGHT - 2.0) * bars[i] / highest);
      path.append(
          String.format(
              Locale.ROOT,
              "M%.2f %dV%.2fH%.2fV%dZ",
              i * width + width * 0.08,
              HEIGHT - 1,
              HEIGHT - 1 - height,
              (i + 1) * width - width * 0.08,
              HEIGHT - 1));
    }
    double zeros = -first < counts.length && first <= 0 ? 100.0 * counts[-first] / all : 0;
    String tip =
        String.format(
            Locale.ROOT,
            "codes %d to %d; %.1f %% are zero",
            first,
            first + counts.length - 1,
            zeros);
    page.open(
        "svg",
        "xmlns",
        "http://www.w3.org/2000/svg",
        "class",
        "histogram",
        "width",
        String.valueOf(WIDTH),
        "height",
        String.valueOf(HEIGHT),
        "viewBox",
        "0 0 " + WIDTH + " " + HEIGHT,
        "role",
        "img");
    page.element("title", tip);
    page.empty("path", "class", "base", "d", "M0 " + (HEIGHT - 0.5) + "H" + WIDTH);
    page.empty("path", "class", "bars", "d", path.toString());
    page.close();
  }

  /**
   * The counts themselves if there are few, else sums of an odd number of neighbours each, so that
   * the bin of code 0 stays in the middle.
   */
  private static long[] binned(long[] counts) {
    int group = 1;
    while (counts.length / group > MOST_BARS) {
      group += 2;
    }
    int side = (counts.length / 2 - group / 2 + group - 1) / group;
    if (group == 1) {
      return counts;
    }
    long[] bars = new long[2 * side + 1];
    for (int i = 0; i < counts.length; i++) {
      int fromZero = i - counts.length / 2;
      int bin = Math.floorDiv(fromZero + group / 2, group) + side;
      bars[Math.max(0, Math.min(bars.length - 1, bin))] += counts[i];
    }
    return bars;
  }
}
