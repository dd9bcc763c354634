package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.AveragePool;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Reduce;
import org.quantrain.tensor.Shape;

/** Pooling, of images and of lines. */
final class PoolReaders {
  private PoolReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    readers.put("MaxPool", (in, a) -> pool(in, a, false));
    readers.put("AveragePool", (in, a) -> pool(in, a, true));
    readers.put("GlobalAveragePool", (in, a) -> global(in, a, new GlobalAveragePool()));
    readers.put(
        "GlobalMaxPool",
        (in, a) -> global(in, a, new Reduce(Reduce.Kind.MAX, List.of(2, 3), true)));
  }

  private static void pool(Importing in, Arguments a, boolean average) {
    int spatial = in.value(a, 0).spec().shape().rank() - 2;
    require(spatial == 1 || spatial == 2, "expected [N,C,H,W] or [N,C,L]");
    require(a.node().attributes().containsKey("kernel_shape"), "kernel_shape is left out");
    Value image = in.image(in.value(a, 0));
    Shape x = image.spec().shape();
    Window window = Window.of(a.node(), x, spatial, null);
    require(window.dilation()[0] == 1 && window.dilation()[1] == 1, "dilations");
    boolean countPadding = a.node().integer("count_include_pad", 0) == 1;
    if (a.node().integer("ceil_mode", 0) != 0) {
      Window whole = window.roundedUp(x);
      boolean fills = Arrays.equals(whole.pads(), window.pads());
      boolean padded = Arrays.stream(window.pads()).anyMatch(p -> p > 0);
      require(
          fills || !countPadding || !padded,
          "ceil_mode with count_include_pad where the window does not divide the input");
      // Cells beyond the input and its padding count for nobody.
      countPadding &= fills;
      window = whole;
    }
    Op op =
        average ? new AveragePool(window.pooling(), countPadding) : new MaxPool(window.pooling());
    in.passImage(a, in.builder().node(a.node().output(), op, image).output(0), spatial == 1);
  }

  private static void global(Importing in, Arguments a, Op op) {
    boolean line = in.value(a, 0).spec().shape().rank() == 3;
    Value image = in.image(in.value(a, 0));
    in.passImage(a, in.builder().add(a.node().output(), op, image), line);
  }
}
