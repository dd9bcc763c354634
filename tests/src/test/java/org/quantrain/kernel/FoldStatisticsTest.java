package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv_bn_statistics_args;

/** Which variance a step of the two-convolution fold folds with, and where the bias goes. */
class FoldStatisticsTest {
  private static final float[] MEAN = {1, -2, 0.5f};
  private static final float[] VAR = {4, 0, 2};
  private static final float[] BIAS = {10, 20, 0};
  private static final float[] RUNNING_MEAN = {0, 1, -1};
  private static final float[] RUNNING_VAR = {1, 3, 0.5f};
  private static final float MOMENTUM = 0.25f;

  private record Step(float[] mean, float[] var, float[] fold) {
    static Step of(int rows, int order) {
      try (Kernels kernels = Kernels.open(null);
          KernelMemory memory = new KernelMemory(kernels, false)) {
        FloatPointer mean = memory.floats(RUNNING_MEAN);
        FloatPointer var = memory.floats(RUNNING_VAR);
        FloatPointer fold = memory.unwritten(3);
        memory.run(
            QuantrainNative::qt_conv_bn_statistics,
            new qt_conv_bn_statistics_args()
                .batch_mean(memory.floats(MEAN))
                .batch_var(memory.floats(VAR))
                .conv_bias(memory.floats(BIAS))
                .running_mean(mean)
                .running_var(var)
                .fold_var(fold)
                .rows(rows)
                .channels(3)
                .momentum(MOMENTUM)
                .order(order));
        return new Step(
            KernelMemory.floats(mean, 3),
            KernelMemory.floats(var, 3),
            KernelMemory.floats(fold, 3));
      }
    }
  }

  @Test
  void theBiasIsInTheRunningMeanAndTheRunningVarianceIsUnbiased() {
    int rows = 9;
    Step step = Step.of(rows, QuantrainNative.QT_STATISTICS_PREVIOUS);
    for (int c = 0; c < 3; c++) {
      double mean = RUNNING_MEAN[c] + MOMENTUM * (MEAN[c] + BIAS[c] - RUNNING_MEAN[c]);
      double unbiased = VAR[c] * rows / (rows - 1.0);
      assertEquals(mean, step.mean()[c], 1e-6);
      assertEquals(RUNNING_VAR[c] + MOMENTUM * (unbiased - RUNNING_VAR[c]), step.var()[c], 1e-6);
    }
  }

  @Test
  void aSingleRowHasNoUnbiasedVarianceAndKeepsTheBiasedOne() {
    Step step = Step.of(1, QuantrainNative.QT_STATISTICS_PREVIOUS);
    assertEquals(1 + 0.25f * (4 - 1), step.var()[0]);
  }

  @Test
  void theOrderSaysWhetherThisBatchIsInTheVarianceThatFolds() {
    assertArrayEquals(RUNNING_VAR, Step.of(9, QuantrainNative.QT_STATISTICS_PREVIOUS).fold());
    Step updated = Step.of(9, QuantrainNative.QT_STATISTICS_UPDATED);
    assertArrayEquals(updated.var(), updated.fold());
  }
}
