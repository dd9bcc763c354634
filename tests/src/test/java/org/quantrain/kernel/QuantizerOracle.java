package org.quantrain.kernel;

import java.util.Random;

/**
 * A quantizer as its paper and the native API's page describe it, one number at a time in double,
 * and how its kernels are called.
 *
 * <p>Learned values are those of one channel, in the order in which the kernel's page lists them.
 * What a kernel decides at a base point (which code, inside or outside) is decided here by the same
 * numbers in double, so ordinary data stay clear of decisions.
 */
interface QuantizerOracle {
  /** Learned values of a channel. */
  float[] learned(Random random);

  /** A range of x that passes every end of the grid. */
  double[] reach(double[] learned);

  /** How far x is from what float32 may decide in another way, as a share of a step. */
  double clearance(double x, double[] learned);

  /** The forward kernel's answer. */
  Term value(double x, double[] learned);

  /** The backward kernel's: dx, then what x adds to the gradient of each learned value. */
  Term[] gradient(double x, double dy, double[] learned);

  /**
   * The function whose exact derivative the gradient is, with the decisions of the base point where
   * the estimator freezes them.
   */
  double surrogate(Base base, double x, double[] learned);

  /** Where a surrogate is differentiated. */
  record Base(double x, double dy, double[] learned) {}

  /** Values that lie exactly on decisions, in float32 and in double, for these learned values. */
  record Ties(float[] learned, float[] x) {}

  Ties ties();

  /** What every gradient of a learned value is multiplied with. */
  default float gradientScale() {
    return 1;
  }

  /** From this learned value on they are the entries of one vector. */
  default int vectorFrom() {
    return Integer.MAX_VALUE;
  }

  /** Whether every channel can have its own learned values. */
  default boolean perChannel() {
    return true;
  }

  void forward(QuantizerCall call);

  void backward(QuantizerCall call);
}
