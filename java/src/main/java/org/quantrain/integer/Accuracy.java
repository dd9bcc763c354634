package org.quantrain.integer;

import java.util.Locale;

/**
 * Images whose largest logit is at their label.
 *
 * @param of who computed the logits
 */
public record Accuracy(String of, long images, long correct) {
  public double top1() {
    return images == 0 ? 0 : (double) correct / images;
  }

  @Override
  public String toString() {
    return String.format(Locale.ROOT, "top-1 %.2f %% of %,d images (%s)", 100 * top1(), images, of);
  }
}
