package org.quantrain.testkit;

import java.nio.ByteBuffer;
import java.nio.ShortBuffer;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Tensors of every element type from and to plain arrays, and between memory order and logical
 * order.
 */
public final class Tensors {
  private Tensors() {}

  public static HostTensor vector(float... values) {
    return HostTensor.of(Shape.of(values.length), values);
  }

  public static HostTensor vector(int... values) {
    return HostTensor.of(Shape.of(values.length), values);
  }

  /** S8 or U8, memory order. */
  public static HostTensor codes(DType dtype, Shape shape, int[] values) {
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return HostTensor.ofBytes(new TensorSpec(dtype, shape), bytes);
  }

  static HostTensor s64(Shape shape, long[] values) {
    HostTensor t = HostTensor.zeros(new TensorSpec(DType.S64, shape));
    t.buffer().asLongBuffer().put(values);
    return t;
  }

  public static long[] longs(HostTensor t) {
    long[] out = new long[Math.toIntExact(t.shape().elements())];
    t.buffer().asLongBuffer().get(out);
    return out;
  }

  /** One bit per element, lowest bit first, unused bits 0. */
  static HostTensor mask(Shape shape, boolean[] bits) {
    HostTensor t = HostTensor.zeros(new TensorSpec(DType.MASK, shape));
    ByteBuffer bytes = t.buffer();
    for (int i = 0; i < bits.length; i++) {
      if (bits[i]) {
        bytes.put(i / 8, (byte) (bytes.get(i / 8) | 1 << i % 8));
      }
    }
    return t;
  }

  /** The bits of a mask. */
  public static boolean[] bits(HostTensor mask) {
    boolean[] out = new boolean[Math.toIntExact(mask.shape().elements())];
    ByteBuffer bytes = mask.buffer();
    for (int i = 0; i < out.length; i++) {
      out[i] = (bytes.get(i / 8) >> i % 8 & 1) != 0;
    }
    return out;
  }

  /** Position in memory of each element in logical order. */
  static int[] memoryIndex(TensorSpec spec) {
    Shape shape = spec.shape();
    int n = Math.toIntExact(shape.elements());
    int[] index = new int[n];
    if (!spec.isChannelsLast()) {
      for (int i = 0; i < n; i++) {
        index[i] = i;
      }
      return index;
    }
    int channels = shape.dim(1);
    int height = shape.dim(2);
    int width = shape.dim(3);
    for (int i = 0; i < n; i++) {
      int w = i % width;
      int h = i / width % height;
      int c = i / width / height % channels;
      int image = i / width / height / channels;
      index[i] = ((image * height + h) * width + w) * channels + c;
    }
    return index;
  }

  /** As {@link #memoryIndex(TensorSpec)}, channels-last where the rank is 4. */
  static int[] memoryIndex(Shape shape) {
    return memoryIndex(new TensorSpec(DType.F32, shape));
  }

  /** Values in logical order from values in memory order, channels-last where the rank is 4. */
  public static double[] toLogical(Shape shape, double[] memory) {
    return toLogical(new TensorSpec(DType.F32, shape), memory);
  }

  private static double[] toLogical(TensorSpec spec, double[] memory) {
    int[] index = memoryIndex(spec);
    double[] out = new double[memory.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = memory[index[i]];
    }
    return out;
  }

  /** Values in memory order from values in logical order, channels-last where the rank is 4. */
  static double[] toMemory(Shape shape, double[] logical) {
    return toMemory(new TensorSpec(DType.F32, shape), logical);
  }

  static double[] toMemory(TensorSpec spec, double[] logical) {
    int[] index = memoryIndex(spec);
    double[] out = new double[logical.length];
    for (int i = 0; i < out.length; i++) {
      out[index[i]] = logical[i];
    }
    return out;
  }

  /** Float or bf16 values in logical order. */
  public static double[] logical(HostTensor t) {
    return toLogical(t.spec(), doubles(reals(t)));
  }

  /** Float or bf16 values in memory order. */
  static float[] reals(HostTensor t) {
    if (t.spec().dtype() != DType.BF16) {
      return t.floats();
    }
    float[] out = new float[Math.toIntExact(t.shape().elements())];
    ShortBuffer values = t.buffer().asShortBuffer();
    for (int i = 0; i < out.length; i++) {
      out[i] = Bfloat16.widen(values.get(i));
    }
    return out;
  }

  /** Rounded to bf16. */
  static HostTensor bf16(HostTensor t) {
    return bf16(t.spec(), t.floats());
  }

  /** Values in memory order rounded to bf16; a NaN becomes quiet. */
  static HostTensor bf16(TensorSpec spec, float[] values) {
    HostTensor out = HostTensor.zeros(spec.as(DType.BF16));
    ShortBuffer to = out.buffer().asShortBuffer();
    for (float v : values) {
      to.put(Float.isNaN(v) ? (short) 0x7fc0 : Bfloat16.narrow(v));
    }
    return out;
  }

  /** Values of any element type but masks in logical order. */
  static double[] numbers(HostTensor t) {
    if (t.spec().dtype() == DType.F32) {
      return logical(t);
    }
    int[] values = t.spec().dtype() == DType.S32 ? t.ints() : t.codes();
    double[] memory = new double[values.length];
    for (int i = 0; i < memory.length; i++) {
      memory[i] = values[i];
    }
    return toLogical(t.spec(), memory);
  }

  /** A tensor of floats, int32 or codes from values in logical order, which its type holds. */
  static HostTensor of(TensorSpec spec, double[] logical) {
    double[] memory = toMemory(spec, logical);
    HostTensor t = HostTensor.zeros(spec);
    ByteBuffer buffer = t.buffer();
    for (double v : memory) {
      switch (spec.dtype()) {
        case F32 -> buffer.putFloat((float) v);
        case S32 -> buffer.putInt((int) v);
        default -> buffer.put((byte) (int) v);
      }
    }
    return t;
  }

  /** A float tensor from values in memory order. */
  public static HostTensor of(TensorSpec spec, float[] memory) {
    HostTensor t = HostTensor.zeros(spec);
    t.buffer().asFloatBuffer().put(memory);
    return t;
  }

  static double[] doubles(float[] values) {
    double[] out = new double[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[i];
    }
    return out;
  }
}
