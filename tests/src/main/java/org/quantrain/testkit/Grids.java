package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** Grids and shapes that several cases use. */
final class Grids {
  static final QuantSpec U8 = new QuantSpec(8, false, false, false, false);
  static final QuantSpec U4 = new QuantSpec(4, false, false, false, false);
  static final QuantSpec U2 = new QuantSpec(2, false, false, false, false);
  static final QuantSpec S8 = new QuantSpec(8, true, true, true, false);
  static final QuantSpec S8_FULL = new QuantSpec(8, true, false, true, false);
  static final QuantSpec S8_AFFINE = new QuantSpec(8, true, false, false, false);
  static final QuantSpec S4 = new QuantSpec(4, true, true, true, false);

  static final QuantSpec S8_POWER = new QuantSpec(8, true, true, true, false, true);

  /** Of activations. */
  static final List<QuantSpec> ACTIVATIONS = List.of(U8, U4, U2, S8_AFFINE, S8);

  /** Of weights, per tensor; {@link #perChannel} for the others. */
  static final List<QuantSpec> WEIGHTS = List.of(S8, S8_FULL, S4, S4.withBits(2));

  /** Rows and channels at which lanes, blocks and their tails differ. */
  static final List<Shape> ROWS_AND_CHANNELS =
      List.of(
          Shape.of(1, 1),
          Shape.of(3, 3),
          Shape.of(31, 1),
          Shape.of(1, 33),
          Shape.of(33, 31),
          Shape.of(207, 3),
          Shape.of(4098, 1),
          Shape.of(1021, 65),
          Shape.of(2, 16, 3, 5),
          Shape.of(3, 5, 11, 7));

  private Grids() {}

  static List<QuantSpec> and(List<QuantSpec> some, QuantSpec one) {
    List<QuantSpec> all = new ArrayList<>(some);
    all.add(one);
    return all;
  }

  static QuantSpec perChannel(QuantSpec spec) {
    return new QuantSpec(
        spec.bits(), spec.signed(), spec.narrow(), spec.symmetric(), true, spec.powerOfTwo());
  }

  static int size(Shape shape) {
    return Math.toIntExact(shape.elements());
  }

  /**
   * A zero-point of the grid: 0 where it is symmetric, else inside it and odd, so that ties differ
   * from those at 0.
   */
  static int zeroPoint(QuantSpec spec) {
    return spec.symmetric() ? 0 : (spec.qmin() + spec.qmax()) / 2 | 1;
  }
}
