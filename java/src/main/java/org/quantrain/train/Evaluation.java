package org.quantrain.train;

/**
 * Accuracy over a set of images.
 *
 * @param correct1 images whose label is the first choice
 * @param correct5 images whose label is among the first five choices
 * @param loss mean cross-entropy
 */
public record Evaluation(int images, int correct1, int correct5, double loss) {
  /** Percent. */
  public double top1() {
    return 100.0 * correct1 / images;
  }

  /** Percent. */
  public double top5() {
    return 100.0 * correct5 / images;
  }
}
