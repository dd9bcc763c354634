package org.quantrain.backend.cuda;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.tensor.Shape;

/**
 * A product of row-major matrices, y [rows, columns] = left [rows, inner] right [inner, columns],
 * perhaps several of them at constant distances, as cuBLASLt is told of it. cuBLASLt knows
 * matrices by columns: a row-major matrix is one with rows and columns exchanged, so it computes
 * the transposed product, whose first factor is the right one.
 *
 * @param transLeft left lies in memory as [inner, rows]
 * @param transRight right lies in memory as [columns, inner]
 * @param batch number of products
 * @param leftStride elements from one left matrix to the next, 0 for one and the same
 */
record MatrixProduct(
    long rows,
    long columns,
    long inner,
    boolean transLeft,
    boolean transRight,
    int batch,
    long leftStride,
    long rightStride,
    long outputStride) {

  /**
   * A matrix by columns, as it lies in memory.
   *
   * @param ld elements from one column to the next
   */
  record Layout(long rows, long columns, long ld, long batchStride) {
    private static Layout ofRowMajor(long rows, long columns, long batchStride) {
      return new Layout(columns, rows, columns, batchStride);
    }
  }

  static MatrixProduct single(
      long rows, long columns, long inner, boolean transLeft, boolean transRight) {
    return new MatrixProduct(rows, columns, inner, transLeft, transRight, 1, 0, 0, 0);
  }

  /** The first factor of cuBLASLt, transposed where {@link #transRight}. */
  Layout first() {
    return transRight
        ? Layout.ofRowMajor(columns, inner, rightStride)
        : Layout.ofRowMajor(inner, columns, rightStride);
  }

  /** The second factor of cuBLASLt, transposed where {@link #transLeft}. */
  Layout second() {
    return transLeft
        ? Layout.ofRowMajor(inner, rows, leftStride)
        : Layout.ofRowMajor(rows, inner, leftStride);
  }

  Layout result() {
    return Layout.ofRowMajor(rows, columns, outputStride);
  }

  /** A product and where its first matrices begin, in elements. */
  record Placed(MatrixProduct product, long left, long right, long output) {}

  /** Neighbouring dimensions in front of the matrices with the same way through both operands. */
  private record Front(long size, long leftStride, long rightStride, long outputStride) {}

  /**
   * A product of tensors of matrices, their dimensions in front broadcast, in as few calls as there
   * can be: matrices below one another that meet one and the same are one higher matrix, others go
   * at constant distances.
   */
  static List<Placed> broadcast(
      Shape left, Shape right, Shape y, boolean transLeft, boolean transRight) {
    int rank = y.rank();
    long rows = y.dim(rank - 2);
    long columns = y.dim(rank - 1);
    long inner = left.dim(left.rank() - (transLeft ? 2 : 1));
    List<Front> fronts = fronts(left, right, y, rows * inner, inner * columns, rows * columns);
    if (!transLeft && !fronts.isEmpty() && fronts.get(0).rightStride == 0) {
      rows *= fronts.remove(0).size;
    }
    Front batch = fronts.isEmpty() ? new Front(1, 0, 0, 0) : fronts.remove(0);
    MatrixProduct product =
        new MatrixProduct(
            rows,
            columns,
            inner,
            transLeft,
            transRight,
            Math.toIntExact(batch.size),
            batch.leftStride,
            batch.rightStride,
            batch.outputStride);
    List<Placed> placed = List.of(new Placed(product, 0, 0, 0));
    for (Front front : fronts) {
      List<Placed> all = new ArrayList<>();
      for (long i = 0; i < front.size; i++) {
        for (Placed one : placed) {
          all.add(
              new Placed(
                  product,
                  one.left + i * front.leftStride,
                  one.right + i * front.rightStride,
                  one.output + i * front.outputStride));
        }
      }
      placed = all;
    }
    return placed;
  }

  /** From the innermost to the outermost. */
  private static List<Front> fronts(
      Shape left, Shape right, Shape y, long ofLeft, long ofRight, long ofY) {
    List<Front> fronts = new ArrayList<>();
    for (int i = y.rank() - 3; i >= 0; i--) {
      long size = y.dim(i);
      if (size == 1) {
        continue;
      }
      boolean inLeft = dim(left, i - y.rank()) > 1;
      boolean inRight = dim(right, i - y.rank()) > 1;
      Front last = fronts.isEmpty() ? null : fronts.get(fronts.size() - 1);
      if (last != null && last.leftStride > 0 == inLeft && last.rightStride > 0 == inRight) {
        fronts.set(
            fronts.size() - 1,
            new Front(last.size * size, last.leftStride, last.rightStride, last.outputStride));
      } else {
        fronts.add(new Front(size, inLeft ? ofLeft : 0, inRight ? ofRight : 0, ofY));
      }
      ofLeft *= inLeft ? size : 1;
      ofRight *= inRight ? size : 1;
      ofY *= size;
    }
    return fronts;
  }

  /** A dimension counted from the end, -1 for the last; 1 where the shape has none. */
  private static long dim(Shape shape, int fromEnd) {
    int i = shape.rank() + fromEnd;
    return i < 0 ? 1 : shape.dim(i);
  }
}
