package org.quantrain.onnx;

import java.util.Arrays;
import java.util.function.IntFunction;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import org.quantrain.tensor.Shape;

/**
 * A tensor that is known when a network is read: an initializer, or what follows from constants and
 * from shapes.
 *
 * <p>Integers may depend on the batch size. A tensor with a dimension N holds one sample's values,
 * which all samples share but for what {@link Affine#perSample} says.
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

  /** Where the values are: one of these, or none if only the shape is known. */
  private final OnnxTensor file;

  private final float[] reals;
  private final Integers integers;

  /** The matrix that this is the transpose of, or null. */
  private final Constant transposeOf;

  /** The parts of affine numbers; null in place of only zeros. */
  private record Integers(long[] fixed, long[] perBatch, long[] perSample) {}

  private Constant(
      Kind kind,
      Shape shape,
      OnnxTensor file,
      float[] reals,
      Integers integers,
      Constant transposeOf) {
    this.kind = kind;
    this.shape = shape;
    this.file = file;
    this.reals = reals;
    this.integers = integers;
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
    return new Constant(kind, tensor.shape(), tensor, null, null, null);
  }

  static Constant of(Shape shape, float... reals) {
    return new Constant(Kind.REAL, shape, null, reals, null, null);
  }

  static Constant of(Kind kind, Shape shape, long... integers) {
    return new Constant(kind, shape, null, null, new Integers(integers, null, null), null);
  }

  /** Integers that may depend on the batch, by their place. */
  static Constant of(Kind kind, Shape shape, IntFunction<Affine> integer) {
    int n = count(shape);
    long[] fixed = new long[n];
    long[] perBatch = new long[n];
    long[] perSample = new long[n];
    for (int i = 0; i < n; i++) {
      Affine number = integer.apply(i);
      fixed[i] = number.fixed();
      perBatch[i] = number.perBatch();
      perSample[i] = number.perSample();
    }
    Integers integers = new Integers(fixed, orNull(perBatch), orNull(perSample));
    return new Constant(kind, shape, null, null, integers, null);
  }

  private static long[] orNull(long[] values) {
    return Arrays.stream(values).allMatch(v -> v == 0) ? null : values;
  }

  /** Integers that depend on the sample in a way that is not computed: only the shape is known. */
  static Constant unknown(Shape shape) {
    return new Constant(Kind.INTEGER, shape, null, null, null, null);
  }

  /** A list of sizes, of which -k stands for k times the batch size. */
  static Constant ofSizes(int... sizes) {
    return of(
        Kind.INTEGER,
        Shape.of(sizes.length),
        i -> new Affine(Math.max(sizes[i], 0), Math.max(-sizes[i], 0), 0));
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

  /** Whether an element is no plain number. */
  boolean dependsOnBatch() {
    return dependsOnSample() || (integers != null && integers.perBatch != null);
  }

  /** Whether samples have different values. */
  boolean dependsOnSample() {
    boolean known = file != null || reals != null || integers != null || transposeOf != null;
    return !known || (integers != null && integers.perSample != null);
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

  /** Element i, which must not depend on the batch. */
  long integer(int i) {
    return file != null ? stored(i) : number(i).plain();
  }

  /** Element i of integers. */
  Affine number(int i) {
    if (file != null) {
      return Affine.of(stored(i));
    }
    if (integers == null) {
      throw new IllegalArgumentException("a number that depends on the sample");
    }
    return new Affine(
        integers.fixed[i],
        integers.perBatch == null ? 0 : integers.perBatch[i],
        integers.perSample == null ? 0 : integers.perSample[i]);
  }

  private long stored(int i) {
    return switch (file.type()) {
      case OnnxTensor.INT64 -> file.buffer().getLong(8 * i);
      case OnnxTensor.INT32 -> file.buffer().getInt(4 * i);
      case OnnxTensor.INT8 -> file.contents().get(i);
      case OnnxTensor.BOOL -> file.contents().get(i) != 0 ? 1 : 0;
      default -> file.contents().get(i) & 0xff;
    };
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
    if (front(shape) != front(to) && !isUniform()) {
      throw new IllegalArgumentException("shape " + to + " mixes the samples of " + shape);
    }
    OnnxTensor tensor =
        file == null ? null : new OnnxTensor(file.name(), file.type(), to, file.contents());
    return transposeOf == null
        ? new Constant(kind, to, tensor, reals, integers, null)
        : of(to, floats());
  }

  /** Elements in front of the batch: one sample's lie together if they stay as many. */
  private static long front(Shape shape) {
    return ShapeRules.product(Arrays.copyOf(shape.dims(), Math.max(shape.batchDim(), 0)));
  }

  private boolean isUniform() {
    return kind == Kind.REAL
        ? IntStream.range(1, elements()).allMatch(i -> real(i) == real(0))
        : !dependsOnSample()
            && IntStream.range(1, elements()).allMatch(i -> number(i).equals(number(0)));
  }

  /** The transpose of a matrix of reals, which remembers what it is. */
  Constant transposedMatrix() {
    if (transposeOf != null) {
      return transposeOf;
    }
    Shape turned = Shape.of(shape.dim(1), shape.dim(0));
    return new Constant(kind, turned, null, null, null, this);
  }

  /** A tensor whose i-th element is this one's from.applyAsInt(i)-th. */
  Constant pick(Shape to, IntUnaryOperator from) {
    if (kind != Kind.REAL) {
      return of(kind, to, i -> number(from.applyAsInt(i)));
    }
    float[] values = new float[count(to)];
    for (int i = 0; i < values.length; i++) {
      values[i] = real(from.applyAsInt(i));
    }
    return of(to, values);
  }

  @Override
  public String toString() {
    return kind.name().toLowerCase(java.util.Locale.ROOT) + " constant " + shape;
  }
}
