package org.quantrain.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.quantrain.tensor.Shape;

/**
 * A constant of a file. Values are row-major (as in ONNX, not channels-last), little-endian.
 *
 * @param type element type, as the file numbers it
 * @param data exactly the bytes of the elements; not to be changed
 */
public record OnnxTensor(String name, int type, Shape shape, byte[] data) {
  public static final int FLOAT = 1;
  public static final int UINT8 = 2;
  public static final int INT8 = 3;
  public static final int INT32 = 6;
  public static final int INT64 = 7;

  /** Bytes of an element; 0 for types that are not read. */
  static int bytesOf(int type) {
    return switch (type) {
      case UINT8, INT8 -> 1;
      case FLOAT, INT32 -> 4;
      case INT64 -> 8;
      default -> 0;
    };
  }

  static String nameOf(int type) {
    String[] names = {
      "UNDEFINED",
      "FLOAT",
      "UINT8",
      "INT8",
      "UINT16",
      "INT16",
      "INT32",
      "INT64",
      "STRING",
      "BOOL",
      "FLOAT16",
      "DOUBLE",
      "UINT32",
      "UINT64",
      "COMPLEX64",
      "COMPLEX128",
      "BFLOAT16"
    };
    return type >= 0 && type < names.length ? names[type] : "type " + type;
  }

  public String typeName() {
    return nameOf(type);
  }

  public int elements() {
    return (int) shape.elements();
  }

  /** View of the bytes, little-endian. */
  public ByteBuffer buffer() {
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Copy of the values of a FLOAT tensor. */
  public float[] floats() {
    require(FLOAT);
    float[] values = new float[elements()];
    buffer().asFloatBuffer().get(values);
    return values;
  }

  /** Copy of the values of an INT32 tensor. */
  public int[] ints() {
    require(INT32);
    int[] values = new int[elements()];
    buffer().asIntBuffer().get(values);
    return values;
  }

  /** Copy of the values of an INT64 tensor. */
  public long[] longs() {
    require(INT64);
    long[] values = new long[elements()];
    buffer().asLongBuffer().get(values);
    return values;
  }

  private void require(int expected) {
    if (type != expected) {
      throw new IllegalStateException(this + " does not hold " + nameOf(expected));
    }
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof OnnxTensor t
        && t.type == type
        && t.name.equals(name)
        && t.shape.equals(shape)
        && Arrays.equals(t.data, data);
  }

  @Override
  public int hashCode() {
    return name.hashCode() * 31 + Arrays.hashCode(data);
  }

  @Override
  public String toString() {
    return name + " " + typeName() + shape;
  }
}
