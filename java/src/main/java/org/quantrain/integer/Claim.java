package org.quantrain.integer;

import java.util.List;
import java.util.Locale;

/**
 * What was found for one claim. The counts are of codes; logits are counted apart, by their float32
 * bits, and so are codes that end a float island, which the claim is not about.
 *
 * @param claim V2: the file in its runtime is the interpreter; V3: the trained network is
 * @param subject the side that is the reference
 * @param against the other side, with its version and instruction set
 * @param first null if nothing differs
 * @param tensors in the order of the network; the logits last
 */
public record Claim(
    String claim,
    String subject,
    String against,
    long compared,
    long differing,
    long logitsCompared,
    long logitsDiffering,
    long islandsCompared,
    long islandsDiffering,
    Difference first,
    List<TensorCount> tensors) {
  public Claim {
    tensors = List.copyOf(tensors);
  }

  /** Something was compared and nothing differs. */
  public boolean holds() {
    return compared > 0 && differing == 0 && logitsCompared > 0 && logitsDiffering == 0;
  }

  @Override
  public String toString() {
    String line =
        String.format(
            Locale.ROOT,
            "%s = %,d of %,d codes differ (%s vs %s)",
            claim,
            differing,
            compared,
            subject,
            against);
    if (logitsDiffering > 0) {
      line +=
          String.format(Locale.ROOT, "; %,d of %,d logits differ", logitsDiffering, logitsCompared);
    }
    if (islandsCompared > 0) {
      line +=
          String.format(
              Locale.ROOT,
              "; behind float islands, which the claim is not about, %,d of %,d",
              islandsDiffering,
              islandsCompared);
    }
    return first == null ? line : line + "; first: " + first;
  }
}
