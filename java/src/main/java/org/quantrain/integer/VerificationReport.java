package org.quantrain.integer;

import java.util.ArrayList;
import java.util.List;

/**
 * What a verification found.
 *
 * @param file that was verified
 * @param digestMatches the constants of the file are those that were written; null: no digest in it
 * @param accuracy of the interpreter and of the runtime; empty without labels
 */
public record VerificationReport(
    String file,
    long images,
    List<Claim> claims,
    RuntimeFacts runtime,
    Boolean digestMatches,
    List<Accuracy> accuracy) {
  public VerificationReport {
    claims = List.copyOf(claims);
    accuracy = List.copyOf(accuracy);
  }

  /** All claims hold, by the kernels they are about, for the file that was written. */
  public boolean holds() {
    return claims.stream().allMatch(Claim::holds)
        && runtime.integersExecuted()
        && !Boolean.FALSE.equals(digestMatches);
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
    return lines;
  }

  @Override
  public String toString() {
    return String.join("\n", lines());
  }
}
