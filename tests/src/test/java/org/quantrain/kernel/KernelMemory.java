package org.quantrain.kernel;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiFunction;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.testkit.Bfloat16;

/**
 * What argument structs point to, for one test: a struct knows addresses only, so the memory is
 * kept here. Real tensors are float32, or bf16 of numbers that bf16 has.
 */
final class KernelMemory implements AutoCloseable {
  private final Kernels kernels;
  private final boolean bf16;
  private final List<Pointer> alive = new ArrayList<>();

  KernelMemory(Kernels kernels, boolean bf16) {
    this.kernels = kernels;
    this.bf16 = bf16;
  }

  <A extends Pointer> void run(BiFunction<qt_context, A, Integer> kernel, A args) {
    kernels.run(kernel, keep(args));
  }

  int elementType() {
    return bf16 ? QuantrainNative.QT_ELEMENT_BF16 : QuantrainNative.QT_ELEMENT_F32;
  }

  private <P extends Pointer> P keep(P pointer) {
    alive.add(pointer);
    return pointer;
  }

  FloatPointer floats(float... values) {
    return keep(new FloatPointer(values));
  }

  /** Not written yet: what a kernel forgets to write is found. */
  FloatPointer unwritten(int n) {
    float[] values = new float[n];
    Arrays.fill(values, Float.NaN);
    return floats(values);
  }

  IntPointer ints(int... values) {
    return keep(new IntPointer(values));
  }

  LongPointer longs(long... values) {
    return keep(new LongPointer(values));
  }

  BytePointer bytes(int n) {
    return keep(new BytePointer((long) n));
  }

  Pointer real(float[] values) {
    if (!bf16) {
      return floats(values);
    }
    short[] bits = new short[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.isNaN(values[i]) ? (short) 0x7fc0 : Bfloat16.narrow(values[i]);
    }
    return keep(new ShortPointer(bits));
  }

  float[] real(Pointer pointer, int n) {
    if (!bf16) {
      return floats((FloatPointer) pointer, n);
    }
    short[] bits = new short[n];
    ((ShortPointer) pointer).get(bits);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = Bfloat16.widen(bits[i]);
    }
    return values;
  }

  static float[] floats(FloatPointer pointer, int n) {
    float[] values = new float[n];
    pointer.get(values);
    return values;
  }

  @Override
  public void close() {
    alive.forEach(Pointer::close);
  }
}
