package org.quantrain.testkit;

import java.util.Arrays;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** Where the elements of a region are in the whole, element by element in logical order. */
final class RegionRules {
  /** Begins in each dimension, and steps. */
  private record Region(Shape whole, Shape part, int[] starts, int[] steps) {
    static Region of(Slice slice, Shape whole) {
      int[] starts = new int[whole.rank()];
      int[] steps = new int[whole.rank()];
      Arrays.fill(steps, 1);
      starts[slice.axis()] = slice.start();
      steps[slice.axis()] = slice.step();
      int[] part = whole.dims();
      part[slice.axis()] = slice.size();
      return new Region(whole, Shape.of(part), starts, steps);
    }

    static Region of(Pad pad, Shape part) {
      int[] whole = part.dims();
      int[] starts = new int[whole.length];
      int[] steps = new int[whole.length];
      Arrays.fill(steps, 1);
      for (int i = 0; i < whole.length; i++) {
        starts[i] = pad.before().get(i);
        whole[i] += pad.before().get(i) + pad.after().get(i);
      }
      return new Region(Shape.of(whole), part, starts, steps);
    }

    /** For each element of the part, its place in the whole. */
    int[] places() {
      int[] places = new int[Math.toIntExact(part.elements())];
      for (int i = 0; i < places.length; i++) {
        int rest = i;
        int stride = 1;
        for (int d = part.rank() - 1; d >= 0; d--) {
          places[i] += (starts[d] + steps[d] * (rest % part.dim(d))) * stride;
          rest /= part.dim(d);
          stride *= whole.dim(d);
        }
      }
      return places;
    }

    /** The part's bytes taken out of the whole's, in memory order both. */
    HostTensor take(HostTensor from) {
      return moved(from, part, false, (byte) 0);
    }

    /** The part's bytes put into a whole that is full of {@code rest}. */
    HostTensor put(HostTensor from, byte rest) {
      return moved(from, whole, true, rest);
    }

    private HostTensor moved(HostTensor from, Shape to, boolean put, byte rest) {
      int size = Math.toIntExact(from.spec().dtype().bytes(1));
      byte[] in = from.bytes();
      byte[] out = new byte[Math.toIntExact(to.elements()) * size];
      Arrays.fill(out, rest);
      int[] inWhole = Tensors.memoryIndex(whole);
      int[] inPart = Tensors.memoryIndex(part);
      int[] places = places();
      for (int i = 0; i < places.length; i++) {
        int w = inWhole[places[i]] * size;
        int p = inPart[i] * size;
        System.arraycopy(in, put ? p : w, out, put ? w : p, size);
      }
      return HostTensor.ofBytes(from.spec().with(to), out);
    }
  }

  private RegionRules() {}

  static void register() {
    Oracle.rule(
        Slice.class,
        (op, call) -> Expected.bits(Region.of(op, call.in(0).shape()).take(call.in(0))));
    Oracle.rule(
        SliceBackward.class,
        (op, call) ->
            Expected.bits(Region.of(op.slice(), op.x().shape()).put(call.in(0), (byte) 0)));
    Oracle.rule(
        Pad.class,
        (op, call) -> Expected.bits(Region.of(op, call.in(0).shape()).put(call.in(0), (byte) 0)));
    Oracle.rule(
        PadCodes.class,
        (op, call) ->
            Expected.bits(
                Region.of(op.pad(), call.in(0).shape())
                    .put(call.in(0), (byte) call.integer(1))));
  }

  static void registerSurrogates() {
    Surrogate.rule(
        Slice.class,
        (op, s) -> {
          int[] places = Region.of(op, s.inShape(0)).places();
          double[] y = new double[places.length];
          for (int i = 0; i < y.length; i++) {
            y[i] = s.real(0)[places[i]];
          }
          return new double[][] {y};
        });
    Surrogate.rule(Pad.class, (op, s) -> new double[][] {padded(op, s)});
    Surrogate.rule(PadCodes.class, (op, s) -> new double[][] {padded(op.pad(), s)});
  }

  private static double[] padded(Pad pad, Surrogate.Step s) {
    Region region = Region.of(pad, s.inShape(0));
    int[] places = region.places();
    double[] y = new double[Math.toIntExact(region.whole().elements())];
    for (int i = 0; i < places.length; i++) {
      y[places[i]] = s.real(0)[i];
    }
    return y;
  }
}
