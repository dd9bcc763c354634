package org.quantrain.tensor;

/**
 * Element type, logical shape and order in memory of a tensor.
 *
 * <p>Two tensors of one shape in different orders have different specs: whoever wants the other
 * order adds a copy ({@code Transpose} with the identical permutation).
 *
 * @param layout for rank 4; every other rank is row-major, whatever is asked
 */
public record TensorSpec(DType dtype, Shape shape, Layout layout) {
  public TensorSpec {
    layout = shape.rank() == 4 ? layout : Layout.ROW_MAJOR;
  }

  /** Channels-last where the rank is 4. */
  public TensorSpec(DType dtype, Shape shape) {
    this(dtype, shape, Layout.CHANNELS_LAST);
  }

  public static TensorSpec f32(int... dims) {
    return new TensorSpec(DType.F32, Shape.of(dims));
  }

  public static TensorSpec s32(int... dims) {
    return new TensorSpec(DType.S32, Shape.of(dims));
  }

  public TensorSpec withBatch(int batch) {
    return shape.hasBatch() ? with(shape.withBatch(batch)) : this;
  }

  public TensorSpec as(DType other) {
    return new TensorSpec(other, shape, layout);
  }

  /** The same type and, if the rank stays 4, the same order. */
  public TensorSpec with(Shape other) {
    return new TensorSpec(dtype, other, shape.rank() == 4 ? layout : Layout.CHANNELS_LAST);
  }

  public TensorSpec with(Layout other) {
    return new TensorSpec(dtype, shape, other);
  }

  public boolean isChannelsLast() {
    return layout == Layout.CHANNELS_LAST;
  }

  /** Bytes in memory; the shape must be bound. */
  public long bytes() {
    return dtype.bytes(shape.elements());
  }

  @Override
  public String toString() {
    return dtype + shape.toString() + (shape.rank() == 4 && !isChannelsLast() ? " row-major" : "");
  }
}
