package org.quantrain.tensor;

/** Element type and logical shape of a tensor. */
public record TensorSpec(DType dtype, Shape shape) {
  public static TensorSpec f32(int... dims) {
    return new TensorSpec(DType.F32, Shape.of(dims));
  }

  public static TensorSpec s32(int... dims) {
    return new TensorSpec(DType.S32, Shape.of(dims));
  }

  public TensorSpec withBatch(int batch) {
    return shape.hasBatch() ? new TensorSpec(dtype, shape.withBatch(batch)) : this;
  }

  public TensorSpec as(DType other) {
    return new TensorSpec(other, shape);
  }

  /** Bytes in memory; the shape must be bound. */
  public long bytes() {
    return dtype.bytes(shape.elements());
  }

  @Override
  public String toString() {
    return dtype + shape.toString();
  }
}
