package org.quantrain.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Logical dimensions of a tensor, in ONNX order: activations are N,C,H,W or N,C; convolution
 * weights K,C,R,S. The order in memory is the {@link Layout} of a {@link TensorSpec}.
 *
 * <p>One dimension may depend on the batch size, which is bound when a plan is compiled: -k stands
 * for k samples' worth, so {@link #BATCH} in front of an activation is N, and an encoder's
 * [N,12,64] seen as rows of a matrix is [-12,64], printed [12Nx64].
 */
public final class Shape {
  /** The batch dimension of a graph that is not yet compiled for a batch size. */
  public static final int BATCH = -1;

  private final int[] dims;

  private Shape(int[] dims) {
    this.dims = dims;
  }

  /**
   * @param dims -k for k times the batch size
   * @throws IllegalArgumentException if two dimensions depend on the batch, or the element count
   *     (of one sample) passes 2^31 - 1
   */
  public static Shape of(int... dims) {
    long elements = 1;
    int batches = 0;
    for (int d : dims) {
      batches += d < 0 ? 1 : 0;
      elements *= Math.abs((long) d);
      if (elements > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "shape " + Arrays.toString(dims) + " has more than 2^31 - 1 elements");
      }
    }
    if (batches > 1) {
      throw new IllegalArgumentException(
          "shape " + Arrays.toString(dims) + ": more than one dimension is negative");
    }
    return new Shape(dims.clone());
  }

  public int rank() {
    return dims.length;
  }

  public int dim(int i) {
    return dims[i];
  }

  public int[] dims() {
    return dims.clone();
  }

  /** The dimension that depends on the batch size, or -1. */
  public int batchDim() {
    for (int i = 0; i < dims.length; i++) {
      if (dims[i] < 0) {
        return i;
      }
    }
    return -1;
  }

  public boolean hasBatch() {
    return batchDim() >= 0;
  }

  /** This shape with the batch size bound; itself where it has none. */
  public Shape withBatch(int batch) {
    if (!hasBatch()) {
      return this;
    }
    int[] bound = dims.clone();
    bound[batchDim()] = Math.multiplyExact(-dims[batchDim()], batch);
    return of(bound);
  }

  /** This shape with another size of one dimension. */
  public Shape with(int i, int size) {
    int[] other = dims.clone();
    other[i] = size;
    return of(other);
  }

  /** Number of elements; the shape must be bound. */
  public long elements() {
    if (hasBatch()) {
      throw new IllegalStateException("shape " + this + " has no batch size yet");
    }
    return product(0);
  }

  /**
   * Elements of one sample: all dimensions but the first, which is the batch; in a shape whose
   * batch stands elsewhere or as a multiple, also that multiple and the first.
   */
  public long elementsPerSample() {
    boolean plain = !hasBatch() || dims[0] == BATCH;
    return product(plain ? 1 : 0);
  }

  private long product(int from) {
    long n = 1;
    for (int i = from; i < dims.length; i++) {
      n *= Math.abs((long) dims[i]);
    }
    return n;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(dims);
  }

  @Override
  public String toString() {
    return Arrays.stream(dims)
        .mapToObj(d -> d == BATCH ? "N" : d < 0 ? -d + "N" : Integer.toString(d))
        .collect(Collectors.joining("x", "[", "]"));
  }
}
