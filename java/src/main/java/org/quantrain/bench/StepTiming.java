package org.quantrain.bench;

import java.util.OptionalLong;
import org.quantrain.graph.Model;
import org.quantrain.runtime.Backend;

/**
 * What a training step takes on a device.
 *
 * @param median seconds of a step
 * @param fastest of the samples
 * @param slowest of the samples
 * @param loss that the last step left
 * @param allocatedBytes for the step, see {@link RepeatedStep#allocatedBytes}
 * @param grownBytes by which the device's free memory has shrunk, with what its libraries take;
 *     empty if the device does not say
 */
public record StepTiming(
    double median,
    double fastest,
    double slowest,
    float loss,
    long allocatedBytes,
    OptionalLong grownBytes) {
  /** The first runs kernel by kernel, the second is recorded, the third the first replay. */
  private static final int WARM_UP = 5;

  private static final double SAMPLE_SECONDS = 0.1;

  /** Ranges need no more, and a plan of another batch is made for them. */
  private static final int CALIBRATION = 16;

  /**
   * Of one kind of step, timed between two waits for the device; several steps lie between them
   * where they are short.
   *
   * @param network of floats
   */
  public static StepTiming measure(
      Backend backend, Model network, StepKind kind, int batch, int samples) {
    OptionalLong before = backend.freeBytes();
    Model loaded =
        kind.of(backend, network, RepeatedStep.images(network, Math.min(batch, CALIBRATION)));
    try (RepeatedStep step = new RepeatedStep(backend, loaded, kind, batch)) {
      double[] seconds =
          Sampler.sorted(samples, WARM_UP, SAMPLE_SECONDS, step::run, backend::finish);
      OptionalLong after = backend.freeBytes();
      return new StepTiming(
          seconds[samples / 2],
          seconds[0],
          seconds[samples - 1],
          step.loss(),
          step.allocatedBytes(),
          before.isEmpty()
              ? before
              : OptionalLong.of(before.getAsLong() - after.getAsLong()));
    }
  }
}
