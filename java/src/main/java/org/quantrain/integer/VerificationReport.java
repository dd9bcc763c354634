package org.quantrain.integer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * What a verification found.
 *
 * @param file that was verified
 * @param digestMatches the constants of the file are those that were written; null: no digest in it
 * @param accuracy of the interpreter and of the runtime; empty without labels
 * @param headroom layer by layer; empty where the interpreter does not tell
 */
public record VerificationReport(
    String file,
    long images,
    List<Claim> claims,
    RuntimeFacts runtime,
    Boolean digestMatches,
    List<Accuracy> accuracy,
    List<LayerHeadroom> headroom) {
  public VerificationReport {
    headroom = List.copyOf(headroom);
    claims = List.copyOf(claims);
    accuracy = List.copyOf(accuracy);
  }

  /** All claims hold, by the kernels they are about, for the file that was written. */
  public boolean holds() {
    return claims.stream().allMatch(Claim::holds)
        && runtime.integersExecuted()
        && !Boolean.FALSE.equals(digestMatches);
  }

  /** The layer nearest to an overflow, and that with the most saturated codes. */
  public Optional<String> headroomLine() {
    Comparator<LayerHeadroom> bySum = Comparator.comparingLong(LayerHeadroom::largestSum);
    Comparator<LayerHeadroom> bySaturation = Comparator.comparingDouble(LayerHeadroom::saturation);
    return headroom.stream()
        .max(bySum)
        .map(
            sum -> {
              LayerHeadroom most = headroom.stream().max(bySaturation).orElseThrow();
              return String.format(
                  Locale.ROOT,
                  "sums of up to %,d (%s), %.1f bits below an overflow; no input passes %,d there;"
                      + " at most %.2f %% of a layer's codes saturate (%s)",
                  sum.largestSum(),
                  sum.layer(),
                  sum.bits(),
                  sum.bound(),
                  100 * most.saturation(),
                  most.layer());
            });
  }

  /** One line for each claim and whatever else there is to say. */
  public List<String> lines() {
    List<String> lines = new ArrayList<>();
    claims.forEach(claim -> lines.add(claim.toString()));
    for (String problem : runtime.keptFloat()) {
      lines.add("not executed as expected by " + runtime.name() + ": " + problem);
    }
    if (Boolean.FALSE.equals(digestMatches)) {
      lines.add("the digest is broken: " + file + " was changed after it was written");
    }
    accuracy.forEach(a -> lines.add(a.toString()));
    headroomLine().ifPresent(lines::add);
    return lines;
  }

  @Override
  public String toString() {
    return String.join("\n", lines());
  }
}
