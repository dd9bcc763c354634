package org.quantrain.onnx;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Between the order of a file (row-major in the logical dimensions, little-endian) and the order in
 * memory (that of the spec, native endian).
 */
public final class MemoryOrder {
  private MemoryOrder() {}

  /** The values in the order of a file. */
  public static byte[] toOnnx(HostTensor tensor) {
    int width = width(tensor.spec());
    byte[] memory = tensor.buffer().array();
    byte[] file = memory.clone();
    if (isTransposed(tensor.spec())) {
      transpose(ByteBuffer.wrap(memory), file, tensor.shape(), width, false);
    }
    swapToLittleEndian(file, width);
    return file;
  }

  /**
   * A tensor from values in the order of a file.
   *
   * @throws IllegalArgumentException if there are more or fewer bytes than the spec needs
   */
  public static HostTensor fromOnnx(TensorSpec spec, byte[] file) {
    return fromOnnx(spec, ByteBuffer.wrap(file));
  }

  /** As above, from the remaining bytes of a buffer. */
  public static HostTensor fromOnnx(TensorSpec spec, ByteBuffer file) {
    if (file.remaining() != spec.bytes()) {
      throw new IllegalArgumentException(
          spec + ": expected " + spec.bytes() + " bytes, got " + file.remaining());
    }
    int width = width(spec);
    byte[] memory = new byte[file.remaining()];
    if (isTransposed(spec)) {
      transpose(file.slice(), memory, spec.shape(), width, true);
    } else {
      file.duplicate().get(memory);
    }
    swapToLittleEndian(memory, width);
    return HostTensor.ofBytes(spec, memory);
  }

  private static int width(TensorSpec spec) {
    if (spec.dtype() == DType.MASK) {
      throw new IllegalArgumentException("masks are not written to files");
    }
    return (int) spec.dtype().bytes(1);
  }

  /** False where both orders are the same. */
  private static boolean isTransposed(TensorSpec spec) {
    Shape shape = spec.shape();
    return spec.isChannelsLast() && shape.dim(1) > 1 && shape.dim(2) * shape.dim(3) > 1;
  }

  private static void transpose(
      ByteBuffer from, byte[] to, Shape shape, int width, boolean channelsLast) {
    int channels = shape.dim(1);
    int cells = shape.dim(2) * shape.dim(3);
    int rows = channelsLast ? channels : cells;
    int columns = channelsLast ? cells : channels;
    ByteBuffer out = ByteBuffer.wrap(to);
    int block = rows * columns;
    for (int start = 0; start < to.length / width; start += block) {
      for (int c = 0; c < columns; c++) {
        int target = start + c * rows;
        int source = start + c;
        for (int r = 0; r < rows; r++, target++, source += columns) {
          switch (width) {
            case 1 -> to[target] = from.get(source);
            case 4 -> out.putInt(4 * target, from.getInt(4 * source));
            default -> out.putLong(8 * target, from.getLong(8 * source));
          }
        }
      }
    }
  }

  private static void swapToLittleEndian(byte[] bytes, int width) {
    if (ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN || width == 1) {
      return;
    }
    for (int i = 0; i < bytes.length; i += width) {
      for (int a = i, b = i + width - 1; a < b; a++, b--) {
        byte t = bytes[a];
        bytes[a] = bytes[b];
        bytes[b] = t;
      }
    }
  }
}
