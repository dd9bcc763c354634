package org.quantrain.testkit;

import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Slices and padding, in float and on codes. */
final class RegionCases {
  private static final Shape SMALL = Shape.of(2, 3, 5, 4);

  private static final List<Slice> SLICES =
      List.of(
          new Slice(1, 0, 1, 3),
          new Slice(1, 1, 1, 2),
          new Slice(1, 2, 1, 1),
          new Slice(2, 0, 2, 3),
          new Slice(2, 1, 2, 2),
          new Slice(2, 4, 1, 1),
          new Slice(3, 1, 2, 2),
          new Slice(3, 0, 3, 2));

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
            Slice.class,
            RegionCases::slices,
            () -> List.of(slice(SLICES.get(1)), slice(SLICES.get(4)), slice(SLICES.get(6))),
            () ->
                Example.of("large", new Slice(2, 0, 2, 1), normal(LARGE_IMAGES, 1))),
        new OpCase(
            SliceBackward.class,
            () -> SLICES.stream().map(RegionCases::sliceBackward).toList(),
            List::of,
            () -> sliceBackward(SLICES.get(3))),
        new OpCase(
            Pad.class,
            () -> PADS.stream().map(RegionCases::padded).toList(),
            () -> List.of(padded(PADS.get(1)), padded(PADS.get(3))),
            () -> Example.of("large", PADS.get(1), normal(LARGE_IMAGES, 1))),
        new OpCase(
            PadCodes.class,
            RegionCases::paddedCodes,
            () -> List.of(paddedCodes(PADS.get(1), Grids.U8), paddedCodes(PADS.get(3), Grids.U4)),
            () -> paddedCodes(PADS.get(1), Grids.U8)));
  }

  private static Example slice(Slice slice) {
    return Example.of(slice + " of " + SMALL, slice, normal(SMALL, 1));
  }

  private static HostTensor codes(QuantSpec spec, int seed) {
    return Tensors.codes(spec.container(), SMALL, EdgeValues.codes(size(SMALL), spec, seed));
  }

  private static List<Example> slices() {
    List<Example> list = new ArrayList<>();
    for (Slice slice : SLICES) {
      list.add(slice(slice));
      list.add(Example.of(slice + " of codes", slice, codes(Grids.U8, 2)));
      list.add(Example.of(slice + " of signed codes", slice, codes(Grids.S8, 3)));
    }
    return list;
  }

  private static Example sliceBackward(Slice slice) {
    TensorSpec x = new TensorSpec(DType.F32, SMALL);
    Shape dy = slice.infer(List.of(x)).get(0).shape();
    return Example.of(slice + " into " + SMALL, new SliceBackward(slice, x), normal(dy, 4));
  }

  private static Example padded(Pad pad) {
    return Example.of(pad + " of " + SMALL, pad, normal(SMALL, 5));
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
