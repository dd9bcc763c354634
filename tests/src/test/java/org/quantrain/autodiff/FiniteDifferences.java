package org.quantrain.autodiff;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import org.quantrain.graph.Value;

/**
 * Directional derivatives of a smooth function of several tensors, by central differences in
 * double, against a float32 gradient.
 *
 * <p>With steps of 1e-4 of the size of the tensors, the differences are off by some 1e-8 of
 * themselves (the third derivative) and 1e-11 (rounding), so what is seen is the gradient's error.
 * Float32 sums in the gradient are good to about 1e-6 of the magnitude of what was added, which a
 * derivative that cancels out must be allowed on top of its relative 1e-3.
 *
 * <p>The soft staircase of an 8-bit grid bends on the scale of its steps, a few thousandths of the
 * size of a tensor, hence smaller steps there; and float32 places a value on it to some 2^-14 of a
 * step, which its slope follows. The gradient of a staircase's softness is a sum that cancels
 * inside one number: it may be off by 1e-7 of the whole gradient. So is that of its ends: where
 * what was added is known, it may be off by 2^-14 of that.
 */
final class FiniteDifferences {
  private static final double RELATIVE = 1e-3;

  private final double step;
  private final double cancellation;
  private final double floor;
  private final Map<Value, double[]> added;

  private final Map<Value, double[]> base;
  private final Map<Value, double[]> gradients;
  private final ToDoubleFunction<Map<Value, double[]>> function;

  /**
   * @param base leaves of the function at the base point
   * @param gradients of those leaves that are varied
   * @param stairs the function has soft staircases in it
   * @param added magnitudes of what the gradients of staircases' ends and softness are sums of, as
   *     far as they are known
   */
  FiniteDifferences(
      Map<Value, double[]> base,
      Map<Value, double[]> gradients,
      boolean stairs,
      Map<Value, double[]> added,
      ToDoubleFunction<Map<Value, double[]>> function) {
    this.step = stairs ? 2e-6 : 1e-4;
    this.cancellation = stairs ? 1e-4 : 1e-6;
    this.floor = stairs ? 1e-7 * gradients.values().stream().mapToDouble(g -> norm(g)).sum() : 0;
    this.added = added;
    this.base = base;
    this.gradients = gradients;
    this.function = function;
  }

  private static double norm(double[] v) {
    double squares = 0;
    for (double x : v) {
      squares += x * x;
    }
    return Math.sqrt(squares);
  }

  /**
   * Adds what does not fit: 20 directions through everything at once, then each tensor's own
   * gradient and a random direction.
   */
  void check(String what, List<String> found) {
    Random random = new Random(20);
    for (int i = 0; i < 20; i++) {
      Map<Value, double[]> direction = new HashMap<>();
      gradients.keySet().stream()
          .sorted((a, b) -> a.name().compareTo(b.name()))
          .forEach(v -> direction.put(v, gaussian(v, random)));
      compare(what + ", direction " + i, direction, found);
    }
    gradients.forEach(
        (value, gradient) -> {
          if (norm(gradient) > 0) {
            double[] along = gradient.clone();
            double scale = size(value) / norm(gradient);
            for (int i = 0; i < along.length; i++) {
              along[i] *= scale;
            }
            compare(what + ", " + value + " along its gradient", Map.of(value, along), found);
          }
          compare(what + ", " + value + " alone", Map.of(value, gaussian(value, random)), found);
        });
  }

  /** A tensor's norm, or that of ones where it is smaller: biases may be zero. */
  private double size(Value value) {
    return Math.max(norm(base.get(value)), 0.1 * Math.sqrt(base.get(value).length));
  }

  private double[] gaussian(Value value, Random random) {
    double[] d = new double[base.get(value).length];
    double scale = size(value) / Math.sqrt(d.length);
    for (int i = 0; i < d.length; i++) {
      d[i] = random.nextGaussian() * scale;
    }
    return d;
  }

  private void compare(String what, Map<Value, double[]> direction, List<String> found) {
    double analytic = 0;
    double magnitude = 0;
    double moved = 0;
    double placed = 0;
    for (Map.Entry<Value, double[]> e : direction.entrySet()) {
      double[] gradient = gradients.get(e.getKey());
      for (int i = 0; i < gradient.length; i++) {
        analytic += gradient[i] * e.getValue()[i];
      }
      magnitude += norm(gradient) * norm(e.getValue());
      moved += norm(e.getValue());
      double[] terms = added.getOrDefault(e.getKey(), new double[gradient.length]);
      for (int i = 0; i < gradient.length; i++) {
        placed += 0x1p-14 * terms[i] * Math.abs(e.getValue()[i]);
      }
    }
    double numeric = (at(direction, step) - at(direction, -step)) / (2 * step);
    if (!(Math.abs(analytic - numeric)
        <= RELATIVE * Math.abs(numeric) + cancellation * magnitude + floor * moved + placed)) {
      found.add(
          String.format(
              "%s: gradient says %.9g, differences say %.9g (relative %.2g)",
              what, analytic, numeric, Math.abs(analytic - numeric) / Math.abs(numeric)));
    }
  }

  private double at(Map<Value, double[]> direction, double step) {
    Map<Value, double[]> leaves = new HashMap<>(base);
    direction.forEach(
        (value, d) -> {
          double[] moved = base.get(value).clone();
          for (int i = 0; i < moved.length; i++) {
            moved[i] += step * d[i];
          }
          leaves.put(value, moved);
        });
    return function.applyAsDouble(leaves);
  }
}
