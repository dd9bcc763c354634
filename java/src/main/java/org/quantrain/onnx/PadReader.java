package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Value;
import org.quantrain.op.Pad;
import org.quantrain.op.Slice;

/** Padding with a constant; negative padding cuts off. */
final class PadReader {
  private PadReader() {}

  static void read(Importing in, Arguments a) {
    Value x = in.value(a, 0);
    int rank = x.spec().shape().rank();
    long[] pads = pads(a, rank);
    List<Integer> before = new ArrayList<>();
    List<Integer> after = new ArrayList<>();
    for (int i = 0; i < rank; i++) {
      long cut = Math.min(pads[i], 0);
      long cutBehind = Math.min(pads[rank + i], 0);
      if (cut < 0 || cutBehind < 0) {
        int size = Arguments.size(x.spec().shape().dim(i) + cut + cutBehind);
        x = in.step(a, "cut" + i, new Slice(i, Arguments.size(-cut), 1, size), x);
      }
      before.add(Arguments.size(Math.max(pads[i], 0)));
      after.add(Arguments.size(Math.max(pads[rank + i], 0)));
    }
    boolean nothing = before.stream().allMatch(p -> p == 0) && after.stream().allMatch(p -> p == 0);
    if (nothing) {
      in.pass(a, x);
      return;
    }
    String mode = a.node().text("mode", "constant");
    require(mode.equals("constant"), "mode " + mode);
    in.add(a, new Pad(before, after, a.real(2, "value", 0)), x);
  }

  private static long[] pads(Arguments a, int rank) {
    long[] pads = a.integers(1, "pads");
    require(pads != null, "pads are left out");
    if (a.has(3)) {
      int[] axes = a.axes(3, "axes", rank);
      require(pads.length == 2 * axes.length, "pads and axes");
      long[] all = new long[2 * rank];
      for (int i = 0; i < axes.length; i++) {
        all[axes[i]] = pads[i];
        all[rank + axes[i]] = pads[axes.length + i];
      }
      pads = all;
    }
    require(pads.length == 2 * rank, "expected " + 2 * rank + " pads, got " + pads.length);
    return pads;
  }

  /** What the node puts around an image (above, left, below, right); null if it does more. */
  static int[] zerosAround(Arguments a, int spatial) {
    boolean known = a.has(1) ? a.constant(1) != null : true;
    boolean zeros =
        a.node().text("mode", "constant").equals("constant")
            && (!a.has(2) || a.constant(2) != null)
            && a.real(2, "value", 0) == 0;
    if (!known || !zeros) {
      return null;
    }
    int rank = spatial + 2;
    long[] pads = pads(a, rank);
    int[] around = new int[4];
    for (int i = 0; i < rank; i++) {
      boolean outside = i < 2 && (pads[i] != 0 || pads[rank + i] != 0);
      if (outside || pads[i] < 0 || pads[rank + i] < 0) {
        return null;
      }
      if (i >= 2) {
        around[i - spatial] = Arguments.size(pads[i]);
        around[i - spatial + 2] = Arguments.size(pads[rank + i]);
      }
    }
    return around;
  }
}
