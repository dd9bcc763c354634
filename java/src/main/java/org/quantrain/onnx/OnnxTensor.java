package org.quantrain.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.quantrain.tensor.Shape;

/**
 * A constant of a file. Values are row-major (as in ONNX, not channels-last), little-endian.
 *
 * @param type element type, as the file numbers it
 * @param contents exactly the bytes of the elements, at position 0; they may be the file's own, so
 *     that a large model is not held twice
 */
public record OnnxTensor(String name, int type, Shape shape, ByteBuffer contents) {
  public static final int FLOAT = 1;
  public static final int UINT8 = 2;
  public static final int INT8 = 3;
  public static final int INT32 = 6;
  public static final int INT64 = 7;
  public static final int BOOL = 9;
  public static final int FLOAT16 = 10;
  public static final int DOUBLE = 11;
  public static final int BFLOAT16 = 16;

  /** Two in a byte, the first in its lower half; what is left of the last byte is 0. */
  public static final int INT4 = 22;

  public OnnxTensor {
    contents = contents.slice().asReadOnlyBuffer();
  }

  /** Takes the array over. */
  public OnnxTensor(String name, int type, Shape shape, byte[] data) {
    this(name, type, shape, ByteBuffer.wrap(data));
  }

  /** The same values under another name. */
  OnnxTensor named(String other) {
    return new OnnxTensor(other, type, shape, contents);
  }

  /** INT4 as INT8. */
  public OnnxTensor unpacked() {
    require(INT4);
    byte[] wide = new byte[elements()];
    for (int i = 0; i < wide.length; i++) {
      int pair = contents.get(i / 2);
      wide[i] = (byte) ((i % 2 == 0 ? pair << 28 : pair << 24) >> 28);
    }
    return new OnnxTensor(name, INT8, shape, wide);
  }

  /** Bytes of so many elements; 0 for types that are not read. */
  static long bytesOf(int type, long elements) {
    return type == INT4 ? (elements + 1) / 2 : elements * bytesOf(type);
  }

  /** Bytes of an element; 0 for types that are not read, or have several in a byte. */
  static int bytesOf(int type) {
    return switch (type) {
      case UINT8, INT8, BOOL -> 1;
      case FLOAT16, BFLOAT16 -> 2;
      case FLOAT, INT32 -> 4;
      case INT64, DOUBLE -> 8;
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
      "BFLOAT16",
      "FLOAT8E4M3FN",
      "FLOAT8E4M3FNUZ",
      "FLOAT8E5M2",
      "FLOAT8E5M2FNUZ",
      "UINT4",
      "INT4"
    };
    return type >= 0 && type < names.length ? names[type] : "type " + type;
  }

  public String typeName() {
    return nameOf(type);
  }

  public int elements() {
    return (int) shape.elements();
  }

  /** View of the bytes, little-endian; read-only. */
  public ByteBuffer buffer() {
    return contents.duplicate().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Copy of the bytes. */
  public byte[] data() {
    byte[] bytes = new byte[contents.remaining()];
    contents.duplicate().get(bytes);
    return bytes;
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
        && t.contents.equals(contents);
  }

  @Override
  public int hashCode() {
    return name.hashCode() * 31 + contents.hashCode();
  }

  @Override
  public String toString() {
    return name + " " + typeName() + shape;
  }
}
