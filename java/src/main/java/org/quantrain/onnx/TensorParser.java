package org.quantrain.onnx;

import static org.quantrain.onnx.OnnxParser.check;

import ai.onnx.proto.OnnxMl.TensorProto;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.quantrain.tensor.Shape;

/**
 * Turns a tensor of a file into one whose dimensions are backed by bytes. Reals of 16 and 64 bits
 * become float32: bfloat16 and float16 exactly, double rounded to nearest.
 */
final class TensorParser {
  private TensorParser() {}

  static OnnxTensor tensor(ExternalData external, TensorProto proto, String label) {
    check(!proto.hasSegment(), label + " is in segments, which are not read");
    int type = proto.getDataType();
    int[] dims = new int[proto.getDimsCount()];
    long elements = 1;
    for (int i = 0; i < dims.length; i++) {
      long dim = proto.getDims(i);
      check(
          dim >= 0 && dim <= Integer.MAX_VALUE,
          () -> label + ": dimensions " + proto.getDimsList() + " are negative or huge");
      dims[i] = (int) dim;
      elements *= dim;
      check(
          elements <= Integer.MAX_VALUE,
          () -> label + ": dimensions " + proto.getDimsList() + " are huge");
    }
    if (OnnxTensor.bytesOf(type, 1) == 0) {
      // Of a type that is not read; whoever needs it will say so.
      return new OnnxTensor(proto.getName(), type, Shape.of(0), new byte[0]);
    }
    long needed = OnnxTensor.bytesOf(type, elements);
    boolean outside =
        proto.getDataLocation() == TensorProto.DataLocation.EXTERNAL
            || proto.getExternalDataCount() > 0;
    ByteBuffer data;
    if (outside) {
      data = external.read(proto, needed, label);
    } else {
      boolean raw = proto.hasRawData() && !proto.getRawData().isEmpty();
      long present = raw ? proto.getRawData().size() : typedBytes(proto, type);
      check(
          present == needed,
          () ->
              label
                  + ": dimensions "
                  + proto.getDimsList()
                  + " of "
                  + OnnxTensor.nameOf(type)
                  + " need "
                  + needed
                  + " bytes, the file has "
                  + present);
      data = raw ? proto.getRawData().asReadOnlyByteBuffer() : typedData(proto, type, present);
    }
    Shape shape = Shape.of(dims);
    return switch (type) {
      case OnnxTensor.FLOAT16, OnnxTensor.BFLOAT16, OnnxTensor.DOUBLE ->
          new OnnxTensor(proto.getName(), OnnxTensor.FLOAT, shape, widened(data, type));
      default -> new OnnxTensor(proto.getName(), type, shape, data);
    };
  }

  private static long typedBytes(TensorProto proto, int type) {
    int width = type == OnnxTensor.INT4 ? 1 : OnnxTensor.bytesOf(type);
    return (long) width * typedCount(proto, type);
  }

  private static int typedCount(TensorProto proto, int type) {
    return switch (type) {
      case OnnxTensor.FLOAT -> proto.getFloatDataCount();
      case OnnxTensor.DOUBLE -> proto.getDoubleDataCount();
      case OnnxTensor.INT64 -> proto.getInt64DataCount();
      default -> proto.getInt32DataCount();
    };
  }

  private static ByteBuffer typedData(TensorProto proto, int type, long bytes) {
    ByteBuffer data = ByteBuffer.allocate((int) bytes).order(ByteOrder.LITTLE_ENDIAN);
    int n = typedCount(proto, type);
    for (int i = 0; i < n; i++) {
      switch (type) {
        case OnnxTensor.FLOAT -> data.putFloat(proto.getFloatData(i));
        case OnnxTensor.DOUBLE -> data.putDouble(proto.getDoubleData(i));
        case OnnxTensor.INT64 -> data.putLong(proto.getInt64Data(i));
        case OnnxTensor.INT32 -> data.putInt(proto.getInt32Data(i));
        case OnnxTensor.FLOAT16, OnnxTensor.BFLOAT16 ->
            data.putShort((short) proto.getInt32Data(i));
        default -> data.put((byte) proto.getInt32Data(i));
      }
    }
    return data.flip();
  }

  private static ByteBuffer widened(ByteBuffer from, int type) {
    ByteBuffer in = from.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    int width = OnnxTensor.bytesOf(type);
    int n = in.remaining() / width;
    ByteBuffer out = ByteBuffer.allocate(Math.multiplyExact(4, n)).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < n; i++) {
      out.putFloat(
          switch (type) {
            case OnnxTensor.FLOAT16 -> halfToFloat(in.getShort());
            case OnnxTensor.BFLOAT16 -> Float.intBitsToFloat(in.getShort() << 16);
            default -> (float) in.getDouble();
          });
    }
    return out.flip();
  }

  /** IEEE 754 binary16 to binary32, exactly. */
  static float halfToFloat(short half) {
    int exponent = half >> 10 & 0x1f;
    int fraction = half & 0x3ff;
    float magnitude =
        switch (exponent) {
          case 0 -> fraction * 0x1p-24f;
          case 0x1f -> fraction == 0 ? Float.POSITIVE_INFINITY : Float.NaN;
          default -> (fraction | 0x400) * (float) Math.scalb(1.0, exponent - 25);
        };
    return half < 0 ? -magnitude : magnitude;
  }
}
