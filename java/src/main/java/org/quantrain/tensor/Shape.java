package org.quantrain.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/**
 * Logical dimensions of a tensor, in ONNX order: activations are N,C,H,W or N,C; convolution
 * weights K,C,R,S.
 *
 * <p>In memory every rank-4 tensor is channels-last: activations N,H,W,C and weights K,R,S,C. Other
 * ranks are row-major. The first dimension of an activation may be {@link #BATCH}, bound when a
 * plan is compiled.
 */
public final class Shape {
  /** The batch dimension of a graph that is not yet compiled for a batch size. */
  public static final int BATCH = -1;

  private final int[] dims;

  private Shape(int[] dims) {
    this.dims = dims;
  }

  /**
   * @throws IllegalArgumentException if a dimension is negative (but for BATCH in front) or the
   *     element count passes 2^31 - 1
   */
  public static Shape of(int... dims) {
    long elements = 1;
    for (int i = 0; i < dims.length; i++) {
      if (dims[i] < 0 && !(i == 0 && dims[i] == BATCH)) {
        throw new IllegalArgumentException(
            "shape " + Arrays.toString(dims) + ": dimension " + i + " is negative");
      }
      elements *= Math.max(dims[i], i == 0 && dims[i] == BATCH ? 1 : 0);
      if (elements > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "shape " + Arrays.toString(dims) + " has more than 2^31 - 1 elements");
      }
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

  public boolean hasBatch() {
    return dims.length > 0 && dims[0] == BATCH;
  }

  /** This shape with the batch dimension bound; itself where it has none. */
  public Shape withBatch(int batch) {
    if (!hasBatch()) {
      return this;
    }
    int[] bound = dims.clone();
    bound[0] = batch;
    return of(bound);
  }

  /** Number of elements; the shape must be bound. */
  public long elements() {
    long n = 1;
    for (int d : dims) {
      if (d == BATCH) {
        throw new IllegalStateException("shape " + this + " has no batch size yet");
      }
      n *= d;
    }
    return n;
  }

  /** Elements of one sample: all dimensions but the first. */
  public long elementsPerSample() {
    long n = 1;
    for (int i = 1; i < dims.length; i++) {
      n *= dims[i];
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
        .mapToObj(d -> d == BATCH ? "N" : Integer.toString(d))
        .collect(Collectors.joining("x", "[", "]"));
  }
}
