package org.quantrain.train;

import org.quantrain.pass.Phase;

/** Told how a training proceeds, on the training thread. */
public interface Listener {
  default void stageStarted(Stage stage, int epochs, int stepsPerEpoch) {}

  /** After every step; should be cheap. {@code step} counts from 1 within the epoch. */
  default void step(
      Stage stage, Phase phase, int epoch, int step, double loss, double learningRate) {}

  default void epoch(EpochResult result) {}

  /** Hears nothing. */
  static Listener silent() {
    return new Listener() {};
  }
}
