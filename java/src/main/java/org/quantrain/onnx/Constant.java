package org.quantrain.onnx;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.quantrain.tensor.Shape;

/**
 * A tensor that is known when a network is read: an initializer, or what follows from constants and
 * from shapes.
 *
 * <p>Integers may depend on the batch size N: element i is {@link #fixed}(i) + N * {@link
 * #perBatch}(i). A tensor with a dimension N holds one sample's values, which all samples share.
 */
final class Constant {
  /** What the elements are; integers of any width are 64 bits wide here. */
  enum Kind {
    REAL,
    INTEGER,
    BOOLEAN
  }

  /** The most elements of a tensor that is computed here. */
  private static final int LARGEST = 1 << 22;

  private final Kind kind;
  private final Shape shape;

  /** Where the values are: one of these, and in addition perBatch for integers. */
  private final OnnxTensor file;

  private final float[] reals;
  private final long[] integers;
  private final long[] perBatch;

  /** The matrix that this is the transpose of, or null. */
  private final Constant transposeOf;

  private Constant(
      Kind kind,
      Shape shape,
      OnnxTensor file,
      float[] reals,
      long[] integers,
      long[] perBatch,
      Constant transposeOf) {
    this.kind = kind;
    this.shape = shape;
    this.file = file;
    this.reals = reals;
    this.integers = integers;
    this.perBatch = perBatch;
    this.transposeOf = transposeOf;
  }

  /**
   * A tensor of the file.
   *
   * @throws IllegalArgumentException if its type is not read
   */
  static Constant of(OnnxTensor tensor) {
    Kind kind =
        switch (tensor.type()) {
          case OnnxTensor.FLOAT -> Kind.REAL;
          case OnnxTensor.BOOL -> Kind.BOOLEAN;
          case OnnxTensor.INT64, OnnxTensor.INT32, OnnxTensor.INT8, OnnxTensor.UINT8 ->
              Kind.INTEGER;
          default -> throw new IllegalArgumentException("constant of type " + tensor.typeName());
        };
    return new Constant(kind, tensor.shape(), tensor, null, null, null, null);
  }

  static Constant of(Shape shape, float... reals) {
    return new Constant(Kind.REAL, shape, null, reals, null, null, null);
  }

  static Constant of(Kind kind, Shape shape, long... integers) {
    return new Constant(kind, shape, null, null, integers, null, null);
  }

  /** A list of sizes, of which -k stands for k times the batch size. */
  static Constant ofSizes(int... sizes) {
    long[] fixed = new long[sizes.length];
    long[] perBatch = new long[sizes.length];
    for (int i = 0; i < sizes.length; i++) {
      fixed[i] = Math.max(sizes[i], 0);
      perBatch[i] = Math.max(-sizes[i], 0);
    }
    return symbolic(Shape.of(sizes.length), fixed, perBatch);
  }

  /** Integers that may depend on the batch size. */
  static Constant symbolic(Shape shape, long[] fixed, long[] perBatch) {
    boolean plain = Arrays.stream(perBatch).allMatch(k -> k == 0);
    return new Constant(Kind.INTEGER, shape, null, null, fixed, plain ? null : perBatch, null);
  }

  /** How many elements are computed for this shape; refuses what no exporter means. */
  static int count(Shape shape) {
    long elements = shape.withBatch(1).elements();
    if (elements > LARGEST) {
      throw new IllegalArgumentException("a computed constant of " + shape + " is too large");
    }
    return (int) elements;
  }

  Kind kind() {
    return kind;
  }

  Shape shape() {
    return shape;
  }

  int rank() {
    return shape.rank();
  }

  /** Number of elements, of one sample where there is a batch. */
  int elements() {
    return (int) shape.withBatch(1).elements();
  }

  /** The initializer or Constant node that this is, value for value; else null. */
  OnnxTensor file() {
    return file;
  }

  Constant transposeOf() {
    return transposeOf;
  }

  boolean dependsOnBatch() {
    return perBatch != null;
  }

  float real(int i) {
    if (file != null && kind == Kind.REAL) {
      return file.buffer().getFloat(4 * i);
    }
    if (transposeOf != null) {
      return transposeOf.real(i % shape.dim(1) * shape.dim(0) + i / shape.dim(1));
    }
    return reals != null ? reals[i] : integer(i);
  }

  /** All values of a real tensor. */
  float[] floats() {
    if (file != null && kind == Kind.REAL) {
      return file.floats();
    }
    float[] values = new float[elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = real(i);
    }
    return values;
  }

  /** Element i, which must not depend on the batch size. */
  long integer(int i) {
    if (perBatch(i) != 0) {
      throw new IllegalArgumentException("a number that depends on the batch size");
    }
    return fixed(i);
  }

  long fixed(int i) {
    if (file == null) {
      return integers[i];
    }
    return switch (file.type()) {
      case OnnxTensor.INT64 -> file.buffer().getLong(8 * i);
      case OnnxTensor.INT32 -> file.buffer().getInt(4 * i);
      case OnnxTensor.INT8 -> file.contents().get(i);
      case OnnxTensor.BOOL -> file.contents().get(i) != 0 ? 1 : 0;
      default -> file.contents().get(i) & 0xff;
    };
  }

  long perBatch(int i) {
    return perBatch == null ? 0 : perBatch[i];
  }

  /** All values; none depends on the batch size. */
  long[] longs() {
    long[] values = new long[elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = integer(i);
    }
    return values;
  }

  /** The same values in another shape. */
  Constant reshaped(Shape to) {
    if (to.equals(shape)) {
      return this;
    }
    if (to.withBatch(1).elements() != elements()) {
      throw new IllegalArgumentException("shape " + to + " for a constant of " + shape);
    }
    OnnxTensor tensor =
        file == null ? null : new OnnxTensor(file.name(), file.type(), to, file.contents());
    return transposeOf == null
        ? new Constant(kind, to, tensor, reals, integers, perBatch, null)
        : of(to, floats());
  }

  /** The transpose of a matrix of reals, which remembers what it is. */
  Constant transposedMatrix() {
    if (transposeOf != null) {
      return transposeOf;
    }
    Shape turned = Shape.of(shape.dim(1), shape.dim(0));
    return new Constant(kind, turned, null, null, null, null, this);
  }

  /** A tensor whose i-th element is this one's from.applyAsInt(i)-th. */
  Constant pick(Shape to, IntUnaryOperator from) {
    int n = count(to);
    if (kind == Kind.REAL) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = real(from.applyAsInt(i));
      }
      return of(to, values);
    }
    long[] values = new long[n];
    long[] more = perBatch == null ? null : new long[n];
    for (int i = 0; i < n; i++) {
      int k = from.applyAsInt(i);
      values[i] = fixed(k);
      if (more != null) {
        more[i] = perBatch(k);
      }
    }
    return new Constant(kind, to, null, null, values, more, null);
  }

  @Override
  public String toString() {
    return kind.name().toLowerCase(java.util.Locale.ROOT) + " constant " + shape;
  }
}
