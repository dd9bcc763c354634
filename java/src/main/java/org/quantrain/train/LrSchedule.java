package org.quantrain.train;

/**
 * Learning rate per step: linear warm-up, then half a cosine down to zero (Loshchilov and Hutter
 * 2017, arXiv:1608.03983, equation 5 without restarts).
 */
public record LrSchedule(float peak, long warmupSteps, long totalSteps) {
  /** Rate of step {@code step}, counted from 0. */
  public float at(long step) {
    if (step < warmupSteps) {
      return (float) (peak * (step + 1.0) / (warmupSteps + 1.0));
    }
    double progress = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return (float) (peak * 0.5 * (1 + StrictMath.cos(Math.PI * Math.min(1, progress))));
  }
}
