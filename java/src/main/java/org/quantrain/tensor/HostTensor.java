package org.quantrain.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A tensor's values on the Java heap: parameters and state between plans, files and tests. Values
 * are in memory order, that is channels-last for rank 4 (see {@link Shape}), native byte order.
 */
public final class HostTensor {
  private final TensorSpec spec;
  private final byte[] bytes;

  private HostTensor(TensorSpec spec, byte[] bytes) {
    this.spec = spec;
    this.bytes = bytes;
  }

  /** All zero. */
  public static HostTensor zeros(TensorSpec spec) {
    return new HostTensor(spec, new byte[Math.toIntExact(spec.bytes())]);
  }

  /** Takes the array over. */
  public static HostTensor ofBytes(TensorSpec spec, byte[] bytes) {
    if (bytes.length != spec.bytes()) {
      throw new IllegalArgumentException(
          spec + ": expected " + spec.bytes() + " bytes, got " + bytes.length);
    }
    return new HostTensor(spec, bytes);
  }

  public static HostTensor of(Shape shape, float... values) {
    HostTensor t = zeros(new TensorSpec(DType.F32, shape));
    requireCount(t.spec, values.length);
    t.buffer().asFloatBuffer().put(values);
    return t;
  }

  public static HostTensor of(Shape shape, int... values) {
    HostTensor t = zeros(new TensorSpec(DType.S32, shape));
    requireCount(t.spec, values.length);
    t.buffer().asIntBuffer().put(values);
    return t;
  }

  public static HostTensor filled(Shape shape, float value) {
    float[] values = new float[Math.toIntExact(shape.elements())];
    java.util.Arrays.fill(values, value);
    return of(shape, values);
  }

  private static void requireCount(TensorSpec spec, int count) {
    if (spec.shape().elements() != count) {
      throw new IllegalArgumentException(spec + ": got " + count + " values");
    }
  }

  public TensorSpec spec() {
    return spec;
  }

  public Shape shape() {
    return spec.shape();
  }

  /** View of the values; writes go through. */
  public ByteBuffer buffer() {
    return ByteBuffer.wrap(bytes).order(ByteOrder.nativeOrder());
  }

  /** Copy of the values; F32 only. */
  public float[] floats() {
    require(DType.F32);
    float[] out = new float[bytes.length / 4];
    buffer().asFloatBuffer().get(out);
    return out;
  }

  /** Copy of the values; S32 only. */
  public int[] ints() {
    require(DType.S32);
    int[] out = new int[bytes.length / 4];
    buffer().asIntBuffer().get(out);
    return out;
  }

  /** Copy of the values of S8 or U8 codes, sign- or zero-extended. */
  public int[] codes() {
    int[] out = new int[bytes.length];
    boolean unsigned = spec.dtype() == DType.U8;
    if (!spec.dtype().isCodes()) {
      throw new IllegalStateException(spec + " does not hold codes");
    }
    for (int i = 0; i < out.length; i++) {
      out[i] = unsigned ? bytes[i] & 0xff : bytes[i];
    }
    return out;
  }

  public byte[] bytes() {
    return bytes.clone();
  }

  public HostTensor copy() {
    return new HostTensor(spec, bytes.clone());
  }

  private void require(DType dtype) {
    if (spec.dtype() != dtype) {
      throw new IllegalStateException(spec + " does not hold " + dtype);
    }
  }
}
