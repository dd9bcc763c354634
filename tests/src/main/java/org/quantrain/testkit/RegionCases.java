package org.quantrain.testkit;

import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** Padding on codes. */
final class RegionCases {
  private static final Shape SMALL = Shape.of(2, 3, 5, 4);

  private static final List<Pad> PADS =
      List.of(
          pad(0, 0, 0, 0, 0, 0, 0, 0),
          pad(0, 2, 0, 0, 0, 3, 0, 0),
          pad(0, 0, 1, 0, 0, 0, 0, 2),
          pad(1, 1, 1, 1, 2, 1, 0, 3));

  private RegionCases() {}

  private static Pad pad(int... all) {
    List<Integer> list = new ArrayList<>();
    for (int one : all) {
      list.add(one);
    }
    return new Pad(list.subList(0, 4), list.subList(4, 8), 0);
  }

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            PadCodes.class,
            RegionCases::paddedCodes,
            () -> List.of(paddedCodes(PADS.get(1), Grids.U8), paddedCodes(PADS.get(3), Grids.U4)),
            () -> paddedCodes(PADS.get(1), Grids.U8)));
  }

  private static HostTensor codes(QuantSpec spec, int seed) {
    return Tensors.codes(spec.container(), SMALL, EdgeValues.codes(size(SMALL), spec, seed));
  }

  private static Example paddedCodes(Pad pad, QuantSpec spec) {
    return Example.of(
        pad + " of " + spec,
        new PadCodes(pad),
        codes(spec, 6),
        Tensors.vector(Grids.zeroPoint(spec)));
  }

  private static List<Example> paddedCodes() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      PADS.forEach(pad -> list.add(paddedCodes(pad, spec)));
    }
    return list;
  }
}
