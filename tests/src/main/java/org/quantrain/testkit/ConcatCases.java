package org.quantrain.testkit;

import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.ConcatCodes;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** Concatenation on codes. */
final class ConcatCases {
  private record Parts(int axis, List<Shape> shapes) {
    static Parts of(int axis, Shape... shapes) {
      return new Parts(axis, List.of(shapes));
    }
  }

  private static final List<Parts> PARTS =
      List.of(
          Parts.of(0, Shape.of(1), Shape.of(1), Shape.of(3)),
          Parts.of(1, Shape.of(3, 7)),
          Parts.of(1, Shape.of(3, 7), Shape.of(3, 1), Shape.of(3, 33)),
          Parts.of(1, Shape.of(2, 3, 5, 4), Shape.of(2, 8, 5, 4)),
          Parts.of(2, Shape.of(2, 3, 5, 4), Shape.of(2, 3, 1, 4), Shape.of(2, 3, 5, 4)),
          Parts.of(3, Shape.of(2, 3, 5, 4), Shape.of(2, 3, 5, 2)),
          Parts.of(1, Shape.of(1, 64, 33, 31), Shape.of(1, 65, 33, 31)));

  private static final Parts LARGE = Parts.of(1, LARGE_IMAGES, LARGE_IMAGES);
  private static final Parts SMALL = PARTS.get(3);

  private ConcatCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            ConcatCodes.class,
            ConcatCases::concatCodes,
            () -> List.of(concatCodes(SMALL, Grids.U4), concatCodes(PARTS.get(4), Grids.U8)),
            () -> concatCodes(LARGE, Grids.U8)));
  }

  /** The first part is on the grid of the whole, the others on finer and coarser ones. */
  private static Example concatCodes(Parts parts, QuantSpec spec) {
    float[] scales = {0.05f, 0.02f, 0.11f};
    List<HostTensor> in = new ArrayList<>();
    for (int i = 0; i < parts.shapes().size(); i++) {
      Shape shape = parts.shapes().get(i);
      QuantSpec own = i == 1 ? Grids.U8 : spec;
      in.add(Tensors.codes(own.container(), shape, EdgeValues.codes(size(shape), own, i + 1)));
      in.add(Tensors.vector(scales[i]));
      in.add(Tensors.vector(Grids.zeroPoint(own)));
    }
    in.add(Tensors.vector(scales[0]));
    in.add(Tensors.vector(Grids.zeroPoint(spec)));
    return new Example(
        parts.shapes() + " along " + parts.axis() + " to " + spec,
        new ConcatCodes(parts.axis(), spec),
        in);
  }

  private static List<Example> concatCodes() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      PARTS.forEach(parts -> list.add(concatCodes(parts, spec)));
    }
    return list;
  }
}
