package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dsq_backward_args;
import org.quantrain.internal.bind.qt_dsq_qparams_args;
import org.quantrain.internal.bind.qt_fake_quant_args;
import org.quantrain.internal.bind.qt_lsq_backward_args;
import org.quantrain.internal.bind.qt_lsq_plus_backward_args;
import org.quantrain.internal.bind.qt_lsq_qparams_args;
import org.quantrain.internal.bind.qt_pact_backward_args;
import org.quantrain.internal.bind.qt_pact_qparams_args;
import org.quantrain.internal.bind.qt_tqt_backward_args;
import org.quantrain.internal.bind.qt_tqt_qparams_args;

/**
 * Learned values of one channel under plain gradient descent on the squared error of 1000 values.
 */
class LearnedScalesTest {
  private static final int N = 1000;

  /** A symmetric grid that is narrow, as PACT's must be. */
  private static final int QMAX = 7;

  /** A quantizer with its learned values and their gradients; descent is outside of it. */
  private abstract static class Learner implements AutoCloseable {
    final Kernels kernels = Kernels.open(null);
    final FloatPointer x = new FloatPointer((long) N);
    final FloatPointer y = new FloatPointer((long) N);
    final FloatPointer dy = new FloatPointer((long) N);
    final FloatPointer scale = Kernels.floats(0);
    final IntPointer zeroPoint = Kernels.ints(0);
    final FloatPointer[] learned;
    final FloatPointer[] gradient;
    final int qmin;

    Learner(int qmin, float... start) {
      this.qmin = qmin;
      learned = new FloatPointer[start.length];
      gradient = new FloatPointer[start.length];
      for (int i = 0; i < start.length; i++) {
        learned[i] = Kernels.floats(start[i]);
        gradient[i] = Kernels.floats(0);
      }
      Random random = new Random(4);
      for (int i = 0; i < N; i++) {
        x.put(i, (float) random.nextGaussian());
      }
    }

    /** Learned values to scale and zero-point. */
    abstract void qparams();

    /** From dy to the gradients of the learned values. */
    abstract void backward();

    /** Mean squared error, its gradient in dy. */
    double error() {
      qparams();
      float s = scale.get();
      assertTrue(s > 0 && Float.isFinite(s), "scale " + s + " of " + learned[0].get());
      try (qt_fake_quant_args args = new qt_fake_quant_args()) {
        args.x(x).y(y).scale(scale).zero_point(zeroPoint).mask(null);
        args.outer(1).channels(1).inner(N).qmin(qmin).qmax(QMAX);
        kernels.run(QuantrainNative::qt_fake_quant, args);
      }
      double sum = 0;
      for (int i = 0; i < N; i++) {
        float d = y.get(i) - x.get(i);
        assertTrue(Float.isFinite(d), "value " + i);
        sum += (double) d * d;
        dy.put(i, 2 * d / N);
      }
      return sum / N;
    }

    void step(float rate) {
      backward();
      for (int i = 0; i < learned.length; i++) {
        learned[i].put(0, learned[i].get() - rate * gradient[i].get());
      }
    }

    /** The error that so many steps of descent leave. */
    double descend(int steps, float rate) {
      for (int i = 0; i < steps; i++) {
        error();
        step(rate);
      }
      return error();
    }

    @Override
    public String toString() {
      return getClass().getSimpleName() + " with " + learned.length + " values";
    }

    @Override
    public void close() {
      kernels.close();
    }
  }

  private static final class Lsq extends Learner {
    private final boolean offset;
    private final FloatPointer beta = Kernels.floats(0);

    Lsq(float scale) {
      super(-QMAX, scale);
      offset = false;
    }

    Lsq(float scale, float offset) {
      super(-QMAX - 1, scale, offset);
      this.offset = true;
    }

    @Override
    void qparams() {
      try (qt_lsq_qparams_args args = new qt_lsq_qparams_args()) {
        args.learned_scale(learned[0]).learned_zero_point(null);
        args.learned_offset(offset ? learned[1] : null);
        args.scale(scale).zero_point(zeroPoint).channels(1).qmin(qmin).qmax(QMAX);
        kernels.run(QuantrainNative::qt_lsq_qparams, args);
      }
    }

    @Override
    void backward() {
      if (offset) {
        // The real number of code 0 as the grid has it, straight through its rounding.
        beta.put(0, -zeroPoint.get() * scale.get());
        try (qt_lsq_plus_backward_args args = new qt_lsq_plus_backward_args()) {
          args.x(x).dy(dy).dx(null).scale(scale).beta(beta);
          args.dscale(gradient[0]).dbeta(gradient[1]).gradient_scale(1);
          args.outer(1).channels(1).inner(N).qmin(qmin).qmax(QMAX);
          kernels.run(QuantrainNative::qt_lsq_plus_backward, args);
        }
      } else {
        try (qt_lsq_backward_args args = new qt_lsq_backward_args()) {
          args.x(x).dy(dy).dx(null).scale(scale).zero_point(zeroPoint);
          args.dscale(gradient[0]).dzero_point(null).gradient_scale(1);
          args.outer(1).channels(1).inner(N).qmin(qmin).qmax(QMAX);
          kernels.run(QuantrainNative::qt_lsq_backward, args);
        }
      }
      // The scale is the magnitude of the learned value.
      gradient[0].put(0, Math.signum(learned[0].get()) * gradient[0].get());
    }
  }

  private static final class Pact extends Learner {
    Pact(float clip) {
      super(-QMAX, clip);
    }

    @Override
    void qparams() {
      try (qt_pact_qparams_args args = new qt_pact_qparams_args()) {
        args.alpha(learned[0]).scale(scale).zero_point(zeroPoint);
        args.channels(1).qmin(qmin).qmax(QMAX).is_signed(1);
        kernels.run(QuantrainNative::qt_pact_qparams, args);
      }
    }

    @Override
    void backward() {
      try (qt_pact_backward_args args = new qt_pact_backward_args()) {
        args.x(x).dy(dy).dx(null).alpha(learned[0]).dalpha(gradient[0]);
        args.outer(1).channels(1).inner(N).is_signed(1);
        kernels.run(QuantrainNative::qt_pact_backward, args);
      }
    }
  }

  private static final class Dsq extends Learner {
    private final FloatPointer lower = Kernels.floats(0);
    private final FloatPointer upper = Kernels.floats(0);
    private final FloatPointer softness = Kernels.floats(0.2f);
    private final FloatPointer softnessGradient = Kernels.floats(0);

    Dsq(float lower, float upper) {
      super(-QMAX - 1, upper, lower);
    }

    @Override
    void qparams() {
      try (qt_dsq_qparams_args args = new qt_dsq_qparams_args()) {
        args.learned_lower(learned[1]).learned_upper(learned[0]);
        args.scale(scale).zero_point(zeroPoint).lower(lower).upper(upper);
        args.channels(1).qmin(qmin).qmax(QMAX);
        kernels.run(QuantrainNative::qt_dsq_qparams, args);
      }
    }

    @Override
    void backward() {
      try (qt_dsq_backward_args args = new qt_dsq_backward_args()) {
        args.x(x).dy(dy).dx(null).lower(lower).upper(upper).alpha(softness);
        args.dlower(gradient[1]).dupper(gradient[0]).dalpha(softnessGradient);
        args.outer(1).channels(1).inner(N).levels(QMAX - qmin);
        kernels.run(QuantrainNative::qt_dsq_backward, args);
      }
    }
  }

  private static final class Tqt extends Learner {
    Tqt(float log2Threshold) {
      super(-QMAX - 1, log2Threshold);
    }

    @Override
    void qparams() {
      try (qt_tqt_qparams_args args = new qt_tqt_qparams_args()) {
        args.log2_threshold(learned[0]).scale(scale).zero_point(zeroPoint);
        args.channels(1).qmin(qmin).qmax(QMAX).is_signed(1);
        kernels.run(QuantrainNative::qt_tqt_qparams, args);
      }
    }

    @Override
    void backward() {
      try (qt_tqt_backward_args args = new qt_tqt_backward_args()) {
        args.x(x).dy(dy).dx(null).scale(scale).zero_point(zeroPoint);
        args.dlog2_threshold(gradient[0]);
        args.outer(1).channels(1).inner(N).qmin(qmin).qmax(QMAX);
        kernels.run(QuantrainNative::qt_tqt_backward, args);
      }
    }
  }

  static Stream<Learner> learners() {
    return Stream.of(new Lsq(0.4f), new Lsq(0.4f, -0.1f), new Pact(2.8f), new Dsq(-2.8f, 2.8f));
  }

  /**
   * A gradient that shrinks what is beyond the grid, and a rate that takes the learned value as far
   * below 0 as it was above. The scale is asserted in every evaluation of the error.
   */
  @ParameterizedTest
  @MethodSource("learners")
  void aLearnedScaleNeverTurnsNegative(Learner learner) { // which JUnit closes
    double before = learner.error();
    for (int i = 0; i < N; i++) {
      learner.dy.put(i, learner.x.get(i) > 3 ? learner.y.get(i) : 0);
    }
    learner.backward();
    float slope = learner.gradient[0].get();
    assertTrue(slope > 0, "shrinking pushes down, " + slope);
    float value = learner.learned[0].get();
    learner.step(2 * value / slope);
    assertTrue(learner.learned[0].get() < 0);
    learner.error();
    // Training goes on, to where it was or better.
    double after = learner.descend(3000, 0.01f);
    assertTrue(after < 1.05 * before, learner + ": error was " + before + ", is " + after);
  }

  @ParameterizedTest
  @ValueSource(floats = {0f, -0f, -1e-40f, 1e30f, -1e30f, Float.NaN, Float.NEGATIVE_INFINITY})
  void everyLearnedValueGivesAPositiveFiniteScale(float value) {
    learners()
        .forEach(
            learner -> {
              try (learner) {
                learner.learned[0].put(0, value);
                learner.qparams();
                float scale = learner.scale.get();
                assertTrue(scale > 0 && Float.isFinite(scale), value + " gives " + scale);
              }
            });
    try (Tqt tqt = new Tqt(value)) {
      tqt.qparams();
      float scale = tqt.scale.get();
      assertTrue(scale > 0 && Float.isFinite(scale), value + " gives " + scale);
    }
  }

  /** Thresholds 2^8 and 2^-5 of values whose least error is at a threshold of 2 or 4. */
  @ParameterizedTest
  @ValueSource(floats = {8, -5})
  void theTqtThresholdMovesToWhereTheErrorIsLess(float start) {
    try (Tqt tqt = new Tqt(start)) {
      double error = tqt.error();
      tqt.backward();
      float slope = tqt.gradient[0].get();
      assertTrue(start > 1 ? slope > 0 : slope < 0, "threshold 2^" + start + ": slope " + slope);
      // Steps of the slope's sign, as an optimizer that normalizes makes them.
      for (int i = 0; i < 9; i++) {
        float at = tqt.learned[0].get();
        tqt.backward();
        tqt.learned[0].put(0, at - Math.signum(tqt.gradient[0].get()));
        assertNotEquals(at, tqt.learned[0].get(), "step " + i);
        double next = tqt.error();
        if (at > 3 || at < 0) {
          assertTrue(next <= error, "2^" + at + ": from " + error + " to " + next);
        }
        error = next;
      }
      float end = tqt.learned[0].get();
      assertTrue(end >= 0 && end <= 3, "ended at 2^" + end);
      assertTrue(error < 0.05, "error " + error);
    }
  }

  @Test
  void aLearnedZeroPointIsAnIntegerAtExport() {
    float[][] learned = {{3.4f, 3}, {-2.6f, -3}, {2.5f, 2}, {-3.5f, -4}, {99, 7}, {-99, -8}};
    try (Kernels kernels = Kernels.open(null);
        FloatPointer learnedScale = Kernels.floats(0.25f);
        FloatPointer scale = Kernels.floats(0);
        IntPointer zeroPoint = Kernels.ints(0);
        qt_lsq_qparams_args args = new qt_lsq_qparams_args()) {
      for (float[] pair : learned) {
        try (FloatPointer steps = Kernels.floats(pair[0]);
            FloatPointer offset = Kernels.floats(-0.25f * pair[0])) {
          args.learned_scale(learnedScale).scale(scale).zero_point(zeroPoint);
          args.channels(1).qmin(-QMAX - 1).qmax(QMAX);
          kernels.run(
              QuantrainNative::qt_lsq_qparams, args.learned_zero_point(steps).learned_offset(null));
          assertEquals((int) pair[1], zeroPoint.get());
          kernels.run(
              QuantrainNative::qt_lsq_qparams,
              args.learned_zero_point(null).learned_offset(offset));
          assertEquals((int) pair[1], zeroPoint.get());
        }
      }
    }
  }
}
