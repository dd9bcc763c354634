package org.quantrain.integer;

import java.util.List;
import java.util.Locale;

/**
 * The first place where two sides differ: in the first such image, in the first such tensor of the
 * network, the first such element.
 *
 * @param layer convolution or linear layer that computes the tensor, else the tensor's own name
 * @param image from 0, over all batches; NO_IMAGE where weights differ
 * @param element within the image, row-major in the logical dimensions
 * @param coordinates the same as [c,h,w] or [c]
 * @param subjectCode the code, or the bits of the float32 where the tensor is logits
 * @param scale of the codes; 1 for logits
 */
public record Difference(
    String layer,
    String tensor,
    long image,
    long element,
    List<Integer> coordinates,
    int subjectCode,
    int againstCode,
    float scale,
    int zeroPoint,
    double subjectReal,
    double againstReal) {
  /** Not in an image: a weight differs. */
  public static final long NO_IMAGE = -1;

  @Override
  public String toString() {
    return String.format(
        Locale.ROOT,
        "layer %s: %s%s, element %d at %s: %d and %d (%s and %s)",
        layer,
        tensor,
        image == NO_IMAGE ? "" : ", image " + image,
        element,
        coordinates,
        subjectCode,
        againstCode,
        subjectReal,
        againstReal);
  }
}
