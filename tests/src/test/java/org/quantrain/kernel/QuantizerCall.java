package org.quantrain.kernel;

import java.util.function.BiFunction;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.internal.bind.qt_fake_quant_args;

/** The memory of one call of a quantizer's kernels. */
final class QuantizerCall implements AutoCloseable {
  final Layout layout;
  final KernelMemory memory;
  final Pointer x;
  final Pointer dy;

  /** y, or dx. */
  final Pointer out;

  private final FloatPointer[] learned;
  private final FloatPointer[] gradients;

  /**
   * @param channels learned values of every channel, which are float32 numbers
   */
  QuantizerCall(
      Kernels kernels, boolean bf16, Layout layout, float[] x, float[] dy, double[][] channels) {
    this.layout = layout;
    memory = new KernelMemory(kernels, bf16);
    this.x = memory.real(x);
    this.dy = memory.real(dy);
    out = memory.real(new float[x.length]);
    learned = new FloatPointer[channels[0].length];
    gradients = new FloatPointer[learned.length];
    for (int k = 0; k < learned.length; k++) {
      float[] values = new float[channels.length];
      for (int c = 0; c < values.length; c++) {
        values[c] = (float) channels[c][k];
      }
      learned[k] = memory.floats(values);
      gradients[k] = memory.unwritten(values.length);
    }
  }

  FloatPointer learned(int k) {
    return learned[k];
  }

  /** Of learned value k; written by a backward kernel. */
  FloatPointer gradient(int k) {
    return gradients[k];
  }

  /** A learned value that kernels take as an integer. */
  IntPointer integers(int k) {
    float[] values = KernelMemory.floats(learned[k], layout.channels());
    int[] integers = new int[values.length];
    for (int c = 0; c < values.length; c++) {
      integers[c] = (int) values[c];
    }
    return memory.ints(integers);
  }

  <A extends Pointer> void run(BiFunction<qt_context, A, Integer> kernel, A args) {
    memory.run(kernel, args);
  }

  /** The forward of uniform quantizers. */
  void fakeQuant(Grid grid, FloatPointer scale, IntPointer zeroPoint) {
    run(
        QuantrainNative::qt_fake_quant,
        new qt_fake_quant_args()
            .x(x)
            .scale(scale)
            .zero_point(zeroPoint)
            .y(out)
            .outer(layout.outer())
            .channels(layout.channels())
            .inner(layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .element_type(memory.elementType()));
  }

  float[] out() {
    return memory.real(out, layout.elements());
  }

  /** By learned value, then by channel. */
  float[][] learned() {
    return values(learned);
  }

  float[][] gradients() {
    return values(gradients);
  }

  private float[][] values(FloatPointer[] vectors) {
    float[][] values = new float[vectors.length][];
    for (int k = 0; k < values.length; k++) {
      values[k] = KernelMemory.floats(vectors[k], layout.channels());
    }
    return values;
  }

  @Override
  public void close() {
    memory.close();
  }
}
