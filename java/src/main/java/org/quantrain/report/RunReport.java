package org.quantrain.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Everything that a run's page shows.
 *
 * @param run the name of its directory
 * @param bits as in "W8A8"
 * @param floatModel null if only the integer model was measured
 * @param environment names and values, in the order in which they are shown
 * @param config the text of config.yaml
 */
public record RunReport(
    String run,
    String model,
    String data,
    String bits,
    String target,
    Outcome floatModel,
    Outcome integerModel,
    List<ClaimResult> claims,
    List<EpochMetrics> epochs,
    List<LayerRow> layers,
    Map<String, String> environment,
    String config) {

  /**
   * How good a model is, measured on the test images.
   *
   * @param top1 percent
   * @param fileBytes size of the exported file
   */
  public record Outcome(String file, double top1, long images, long fileBytes) {
    /** Standard error of {@code top1} in percent, images taken as independent draws. */
    public double standardError() {
      double p = top1 / 100;
      return 100 * Math.sqrt(p * (1 - p) / images);
    }
  }

  public RunReport {
    claims = List.copyOf(claims);
    epochs = List.copyOf(epochs);
    layers = List.copyOf(layers);
    environment = new LinkedHashMap<>(environment);
  }

  /** True if something was verified and nothing differs. */
  public boolean verified() {
    return !claims.isEmpty() && claims.stream().allMatch(ClaimResult::holds);
  }

  /** The result in one sentence. */
  public String sentence() {
    StringBuilder out = new StringBuilder();
    out.append("The integer model is right on ").append(Numbers.percent(integerModel.top1()));
    out.append(" of ").append(Numbers.count(integerModel.images())).append(" test images");
    if (floatModel != null) {
      double points = integerModel.top1() - floatModel.top1();
      out.append(
          Math.abs(points) < 0.005
              ? ", as many as the float model"
              : ", %.2f points %s the float model"
                  .formatted(Math.abs(points), points < 0 ? "below" : "above"));
    }
    if (claims.isEmpty()) {
      return out.append(". It was not verified.").toString();
    }
    long compared = claims.stream().mapToLong(ClaimResult::compared).sum();
    long differing = claims.stream().mapToLong(ClaimResult::differing).sum();
    long logits = claims.stream().mapToLong(ClaimResult::logitsDiffering).sum();
    if (verified()) {
      out.append("; not one of ")
          .append(Numbers.count(compared))
          .append(" compared codes differs.");
    } else if (differing == 0 && logits > 0) {
      out.append("; but ").append(Numbers.count(logits)).append(" of its logits differ.");
    } else if (differing == 0) {
      out.append("; its verification is incomplete.");
    } else {
      out.append("; but ").append(Numbers.count(differing)).append(" of ");
      out.append(Numbers.count(compared)).append(" compared codes differ.");
    }
    return out.toString();
  }
}
