package org.quantrain.onnx;

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
    byte[] file =
        isTransposed(tensor.spec())
            ? transposed(memory, tensor.shape(), width, false)
            : memory.clone();
    swapToLittleEndian(file, width);
    return file;
  }

  /**
   * A tensor from values in the order of a file.
   *
   * @throws IllegalArgumentException if there are more or fewer bytes than the spec needs
   */
  public static HostTensor fromOnnx(TensorSpec spec, byte[] file) {
    if (file.length != spec.bytes()) {
      throw new IllegalArgumentException(
          spec + ": expected " + spec.bytes() + " bytes, got " + file.length);
    }
    int width = width(spec);
    byte[] memory = isTransposed(spec) ? transposed(file, spec.shape(), width, true) : file.clone();
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

  private static byte[] transposed(byte[] from, Shape shape, int width, boolean channelsLast) {
    byte[] to = new byte[from.length];
    int channels = shape.dim(1);
    int cells = shape.dim(2) * shape.dim(3);
    int rows = channelsLast ? channels : cells;
    int columns = channelsLast ? cells : channels;
    int block = rows * columns * width;
    for (int start = 0; start < from.length; start += block) {
      if (width == 1) {
        transposeBytes(from, to, start, rows, columns);
      } else {
        for (int r = 0; r < rows; r++) {
          for (int c = 0; c < columns; c++) {
            int source = start + (r * columns + c) * width;
            System.arraycopy(from, source, to, start + (c * rows + r) * width, width);
          }
        }
      }
    }
    return to;
  }

  private static void transposeBytes(byte[] from, byte[] to, int start, int rows, int columns) {
    for (int c = 0; c < columns; c++) {
      int target = start + c * rows;
      int source = start + c;
      for (int r = 0; r < rows; r++) {
        to[target + r] = from[source];
        source += columns;
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
