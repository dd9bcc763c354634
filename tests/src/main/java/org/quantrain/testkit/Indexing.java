package org.quantrain.testkit;

import org.quantrain.tensor.Shape;

/** Multi-dimensional indices of elements in logical order. */
final class Indexing {
  private Indexing() {}

  /** The index of element {@code i}. */
  static int[] at(Shape shape, int i) {
    int[] index = new int[shape.rank()];
    for (int d = index.length - 1; d >= 0; d--) {
      index[d] = i % shape.dim(d);
      i /= shape.dim(d);
    }
    return index;
  }

  /** The element of a multi-dimensional index; where a dimension is 1, its index counts as 0. */
  static int of(Shape shape, int... index) {
    int i = 0;
    for (int d = 0; d < index.length; d++) {
      i = i * shape.dim(d) + (shape.dim(d) == 1 ? 0 : index[d]);
    }
    return i;
  }

  /** The element of an operand that is broadcast to {@code shape}, for its element {@code i}. */
  static int broadcast(Shape shape, int i, Shape operand) {
    int[] index = at(shape, i);
    int missing = shape.rank() - operand.rank();
    int[] own = new int[operand.rank()];
    System.arraycopy(index, missing, own, 0, own.length);
    return of(operand, own);
  }
}
