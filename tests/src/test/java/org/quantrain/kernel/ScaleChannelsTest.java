package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.quantrain.internal.bind.QuantrainNative.QT_ELEMENT_BF16;
import static org.quantrain.internal.bind.QuantrainNative.QT_ELEMENT_F32;

import java.nio.ByteOrder;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_scale_channels_args;
import org.quantrain.testkit.Bfloat16;

class ScaleChannelsTest {
  private static final int ROWS = 37;
  private static final float[] FACTORS = {0.37f, -1, 1e-3f, 3e38f, 1};

  @Test
  void channelsAreScaledInFloatAndRoundedOnce() {
    int n = ROWS * FACTORS.length;
    float[] values = new float[n];
    short[] narrow = new short[n];
    float[] scaled = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) Math.sin(i) * (1 + i);
      scaled[i] = values[i] * FACTORS[i % FACTORS.length];
      narrow[i] = Bfloat16.narrow(scaled[i]);
    }
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, false)) {
      FloatPointer x = memory.floats(values);
      BytePointer y = memory.bytes(2 * n);
      qt_scale_channels_args args =
          new qt_scale_channels_args()
              .x(x)
              .factor(memory.floats(FACTORS))
              .y(y)
              .outer(ROWS)
              .channels(FACTORS.length)
              .inner(1)
              .element_type(QT_ELEMENT_F32)
              .y_type(QT_ELEMENT_BF16);
      memory.run(QuantrainNative::qt_scale_channels, args);
      short[] got = new short[n];
      y.capacity(2L * n).asByteBuffer().order(ByteOrder.nativeOrder()).asShortBuffer().get(got);
      assertArrayEquals(narrow, got);

      memory.run(QuantrainNative::qt_scale_channels, args.y(x).y_type(QT_ELEMENT_F32));
      assertArrayEquals(scaled, KernelMemory.floats(x, n));
    }
  }
}
