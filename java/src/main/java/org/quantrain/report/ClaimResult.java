package org.quantrain.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * What a comparison of codes found.
 *
 * @param claim "V2" or "V3"
 * @param subject what was checked, as in "the exported file in ONNX Runtime 1.29.0"
 * @param against what it was compared with
 * @param compared codes
 * @param differing codes
 * @param logitsCompared float logits, which are compared bit by bit and counted apart
 * @param islandsCompared codes that end float operations between integer layers: measured, not
 *     claimed
 * @param first the first difference in the order of computation; null if there is none
 */
public record ClaimResult(
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
    List<TensorResult> tensors) {

  /**
   * One tensor's share.
   *
   * @param claimed false for codes that end float operations, which are measured only
   */
  public record TensorResult(String tensor, long compared, long differing, boolean claimed) {
    /** One of those the claim is about. */
    public TensorResult(String tensor, long compared, long differing) {
      this(tensor, compared, differing, true);
    }
  }

  /**
   * Two codes that should be equal.
   *
   * @param image its number in the data, from 0
   * @param element its number in the image, from 0
   * @param coordinates channel, row, column
   */
  public record Difference(
      String layer,
      String tensor,
      long image,
      long element,
      List<Integer> coordinates,
      String subjectValue,
      String againstValue) {
    public Difference {
      coordinates = List.copyOf(coordinates);
    }

    @Override
    public String toString() {
      return "layer %s: %s%s, element %d at %s"
          .formatted(layer, tensor, ofImage(), element, coordinates);
    }

    /** Empty where a weight differs, which is in no image. */
    String ofImage() {
      return image < 0 ? "" : ", image " + image;
    }
  }

  public ClaimResult {
    tensors = List.copyOf(tensors);
  }

  /** Where the sides differ first and what each has there. */
  public String firstDifference() {
    return "%s: %s has %s, %s has %s"
        .formatted(first, subject, first.subjectValue(), against, first.againstValue());
  }

  /** True if something was compared and nothing differs. */
  public boolean holds() {
    return compared > 0 && differing == 0 && logitsDiffering == 0;
  }

  /** As in "0 of 46,080 codes differ". */
  public String verdict() {
    if (compared == 0) {
      return "nothing was compared";
    }
    String logits =
        logitsDiffering == 0
            ? ""
            : ", %s of %s logits differ"
                .formatted(Numbers.count(logitsDiffering), Numbers.count(logitsCompared));
    return "%s of %s codes differ%s%s"
        .formatted(Numbers.count(differing), Numbers.count(compared), logits, islands());
  }

  /** How well floats agree, where there are any between integer layers. */
  private String islands() {
    return islandsCompared == 0
        ? ""
        : "; behind float operations, where it is measured only, %s of %s"
            .formatted(Numbers.count(islandsDiffering), Numbers.count(islandsCompared));
  }

  /** As machines read it. */
  public ObjectNode toJson() {
    ObjectNode json = Json.object();
    json.put("claim", claim).put("subject", subject).put("against", against);
    json.put("differing", differing).put("compared", compared);
    json.put("logitsDiffering", logitsDiffering).put("logitsCompared", logitsCompared);
    if (islandsCompared > 0) {
      json.put("islandsDiffering", islandsDiffering).put("islandsCompared", islandsCompared);
    }
    if (first == null) {
      json.putNull("first");
    } else {
      ObjectNode at = json.putObject("first");
      at.put("layer", first.layer()).put("tensor", first.tensor()).put("image", first.image());
      at.put("element", first.element());
      ArrayNode coordinates = at.putArray("coordinates");
      first.coordinates().forEach(coordinates::add);
      at.put("subject", first.subjectValue()).put("against", first.againstValue());
    }
    return json;
  }
}
