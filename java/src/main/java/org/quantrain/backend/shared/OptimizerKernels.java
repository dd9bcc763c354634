package org.quantrain.backend.shared;

import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_args;
import org.quantrain.internal.bind.qt_sgd_args;
import org.quantrain.internal.bind.qt_unary_args;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Sgd;

/** What is done to all parameters and gradients at once. */
public final class OptimizerKernels {
  private OptimizerKernels() {}

  public static Kernel gradientMean(NativeContext context, GradientMean.Launch launch) {
    Pointer gradient = At.any(launch.gradient());
    Pointer target = launch.last() ? gradient : At.any(launch.sum());
    Steps steps = new Steps(null);
    steps.add(
        context.call(
            null,
            new qt_add_args()
                .a(At.any(launch.sum()))
                .b(gradient)
                .y(target)
                .n(launch.elements()),
            QuantrainNative::qt_add));
    if (launch.last()) {
      steps.add(
          context.call(
              null,
              new qt_unary_args()
                  .x(gradient)
                  .y(gradient)
                  .n(launch.elements())
                  .kind(QuantrainNative.QT_UNARY_AFFINE)
                  .alpha(1f / launch.parts()),
              QuantrainNative::qt_unary));
    }
    return steps;
  }

  public static Kernel sgd(NativeContext context, Sgd.Launch launch) {
    long[] ends = launch.segmentEnd().stream().mapToLong(Long::longValue).toArray();
    float[] decays = new float[ends.length];
    for (int i = 0; i < decays.length; i++) {
      decays[i] = launch.segmentDecay().get(i);
    }
    Steps steps = new Steps(null);
    return steps.add(
        context.call(
            null,
            new qt_sgd_args()
                .param(At.floats(launch.param()))
                .grad(At.floats(launch.gradient()))
                .velocity(At.floats(launch.velocity()))
                .learning_rate(At.floats(launch.learningRate()))
                .segment_end(context.constant(steps, ends))
                .segment_decay(context.constant(steps, decays))
                .n(launch.elements())
                .segments(ends.length)
                .momentum(launch.options().momentum())
                .nesterov(launch.options().nesterov() ? 1 : 0),
            QuantrainNative::qt_sgd));
  }
}
