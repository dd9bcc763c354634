package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.function.BiFunction;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;

/** A native context for tests that call kernels directly. */
final class Kernels implements AutoCloseable {
  private final qt_context context = new qt_context();

  /** With {@code isa} null, the best of this processor. */
  static Kernels open(String isa) {
    return open(isa, 2);
  }

  static Kernels open(String isa, int threads) {
    Kernels kernels = new Kernels();
    int created = QuantrainNative.qt_context_create(kernels.context, threads);
    assertEquals(QuantrainNative.QT_OK, created);
    if (isa != null) {
      int status = QuantrainNative.qt_context_force_isa(kernels.context, isa);
      assertEquals(QuantrainNative.QT_OK, status, isa);
    }
    return kernels;
  }

  <A extends Pointer> void run(BiFunction<qt_context, A, Integer> kernel, A args) {
    int status = kernel.apply(context, args);
    assertEquals(
        QuantrainNative.QT_OK, status, () -> QuantrainNative.qt_last_error(context).getString());
  }

  @Override
  public void close() {
    QuantrainNative.qt_context_destroy(context);
  }

  static IntPointer ints(int... values) {
    return new IntPointer(values);
  }

  static FloatPointer floats(float... values) {
    return new FloatPointer(values);
  }

  static BytePointer bytes(byte[] values) {
    return new BytePointer(values);
  }

  static byte[] get(BytePointer pointer, int n) {
    byte[] values = new byte[n];
    pointer.get(values);
    return values;
  }

  static int[] get(IntPointer pointer, int n) {
    int[] values = new int[n];
    pointer.get(values);
    return values;
  }

  static boolean bit(byte[] mask, int i) {
    return (mask[i / 8] >> i % 8 & 1) != 0;
  }
}
