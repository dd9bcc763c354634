package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;

/**
 * Derivatives of a function of several vectors along random directions, by central differences in
 * double, against a float32 gradient.
 *
 * <p>A step moves every vector by 1e-6 of its size. The differences are then off by some 1e-9 of
 * themselves by rounding and, where a function bends on the scale of a 255th of its range, 1e-7 by
 * the third derivative; what is left is the gradient's error. 1e-3 of the derivative leaves room
 * for float32 sums that cancel, and for nothing that is wrong.
 */
final class DirectionalDerivatives {
  private static final int DIRECTIONS = 20;
  private static final int ALONE = 3;
  private static final double STEP = 1e-6;
  private static final double RELATIVE = 1e-3;

  private final double[][] base;
  private final double[][] gradient;
  private final ToDoubleFunction<double[][]> function;
  private final List<String> found = new ArrayList<>();

  private DirectionalDerivatives(
      double[][] base, double[][] gradient, ToDoubleFunction<double[][]> function) {
    this.base = base;
    this.gradient = gradient;
    this.function = function;
  }

  /**
   * Directions through all vectors together, then through each alone: in a sum over thousands of
   * elements a wrong gradient of a single number would not be seen. Alone, a vector moves along the
   * signs of its gradient, so that its few numbers do not cancel.
   */
  static void check(float[][] base, float[][] gradient, ToDoubleFunction<double[][]> function) {
    var derivatives = new DirectionalDerivatives(widened(base), widened(gradient), function);
    Random random = new Random(20);
    for (int i = 0; i < DIRECTIONS; i++) {
      derivatives.compare("direction " + i, derivatives.direction(random));
    }
    for (int k = 0; k < base.length; k++) {
      for (int i = 0; i < ALONE; i++) {
        double[][] direction = new double[base.length][];
        for (int j = 0; j < base.length; j++) {
          direction[j] = new double[base[j].length];
        }
        double[] alone = derivatives.direction(k, random);
        for (int j = 0; j < alone.length; j++) {
          direction[k][j] = gradient[k][j] < 0 ? -Math.abs(alone[j]) : Math.abs(alone[j]);
        }
        derivatives.compare("vector " + k + " alone, direction " + i, direction);
      }
    }
    assertTrue(derivatives.found.isEmpty(), () -> String.join("\n", derivatives.found));
  }

  private static double[][] widened(float[][] values) {
    double[][] wide = new double[values.length][];
    for (int k = 0; k < wide.length; k++) {
      wide[k] = new double[values[k].length];
      for (int i = 0; i < wide[k].length; i++) {
        wide[k][i] = values[k][i];
      }
    }
    return wide;
  }

  /**
   * Through all vectors. One along which the terms happen to cancel is drawn again: there a
   * relative error would be that of float32.
   */
  private double[][] direction(Random random) {
    while (true) {
      double[][] direction = new double[base.length][];
      double sum = 0;
      double squares = 0;
      for (int k = 0; k < base.length; k++) {
        direction[k] = direction(k, random);
        for (int i = 0; i < base[k].length; i++) {
          double term = gradient[k][i] * direction[k][i];
          sum += term;
          squares += term * term;
        }
      }
      if (Math.abs(sum) >= 0.2 * Math.sqrt(squares)) {
        return direction;
      }
    }
  }

  /** As large as the vector; as ones where that is 0. */
  private double[] direction(int k, Random random) {
    double squares = 0;
    for (double v : base[k]) {
      squares += v * v;
    }
    double size = squares > 0 ? Math.sqrt(squares / base[k].length) : 1;
    return random.doubles(base[k].length, -1, 1).map(d -> d * size).toArray();
  }

  private void compare(String what, double[][] direction) {
    double analytic = 0;
    for (int k = 0; k < base.length; k++) {
      for (int i = 0; i < base[k].length; i++) {
        analytic += gradient[k][i] * direction[k][i];
      }
    }
    double numeric = (at(direction, STEP) - at(direction, -STEP)) / (2 * STEP);
    if (!(Math.abs(analytic - numeric) <= RELATIVE * Math.abs(numeric))) {
      found.add(what + ": gradient says " + analytic + ", differences say " + numeric);
    }
  }

  private double at(double[][] direction, double step) {
    double[][] moved = new double[base.length][];
    for (int k = 0; k < base.length; k++) {
      moved[k] = base[k].clone();
      for (int i = 0; i < moved[k].length; i++) {
        moved[k][i] += step * direction[k][i];
      }
    }
    return function.applyAsDouble(moved);
  }
}
