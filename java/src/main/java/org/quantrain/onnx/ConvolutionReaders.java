package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.Map;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Resize;
import org.quantrain.tensor.Shape;

/** Operators on images [N,C,H,W], and on lines [N,C,L] as images of height 1. */
final class ConvolutionReaders {
  private ConvolutionReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    readers.put("Conv", (in, a) -> conv(in, a, a, 2));
    readers.put("ConvTranspose", ConvolutionReaders::convTranspose);
    readers.put("Resize", ConvolutionReaders::resize);
    readers.put("Upsample", ConvolutionReaders::resize);
  }

  /**
   * A convolution.
   *
   * @param a what the output is named after, and whose input the bias is
   * @param conv the Conv itself
   */
  static void conv(Importing in, Arguments a, Arguments conv, int bias) {
    Constant w = conv.known(1, "the weights");
    int spatial = w.rank() - 2;
    require(spatial == 1 || spatial == 2, "only 1-D and 2-D, got weights " + w);
    int[] more = new int[4];
    Value given = in.value(conv, 0);
    OnnxNode pad = in.producer(conv.node().input(0));
    if (pad != null && pad.op().equals("Pad") && auto(conv).equals("NOTSET")) {
      int[] around = PadReader.zerosAround(in.arguments(pad), spatial);
      if (around != null) {
        more = around;
        given = in.computed(pad.input(0));
      }
    }
    requireRank(given, spatial);
    Value x = in.image(given);
    Shape shape = imageShape(w.shape(), spatial);
    int[] kernel = {shape.dim(2), shape.dim(3)};
    Window window = Window.of(conv.node(), x.spec().shape(), spatial, kernel).padded(more);
    Conv2d op = new Conv2d(window.convolution(groups(conv)));
    Value weights = in.weights(conv, 1, false, shape);
    Value[] operands =
        a.has(bias)
            ? new Value[] {x, weights, in.vector(a, bias, shape.dim(0), Value.Role.PARAM)}
            : new Value[] {x, weights};
    in.passImage(a, in.builder().node(a.node().output(), op, operands).output(0), spatial == 1);
  }

  private static String auto(Arguments a) {
    return a.node().text("auto_pad", "NOTSET");
  }

  private static void requireRank(Value x, int spatial) {
    require(
        x.spec().shape().rank() == spatial + 2,
        "expected [N,C," + (spatial == 1 ? "L" : "H,W") + "], got " + x.spec());
  }

  private static int groups(Arguments a) {
    long groups = a.node().integer("group", 1);
    require(groups >= 1 && groups <= Integer.MAX_VALUE, "group " + groups);
    return (int) groups;
  }

  /** Weights of one dimension as weights of two. */
  private static Shape imageShape(Shape w, int spatial) {
    return spatial == 2 ? w : Shape.of(w.dim(0), w.dim(1), 1, w.dim(2));
  }

  private static void convTranspose(Importing in, Arguments a) {
    Constant w = a.known(1, "the weights");
    int spatial = w.rank() - 2;
    require(spatial == 1 || spatial == 2, "only 1-D and 2-D, got weights " + w);
    requireRank(in.value(a, 0), spatial);
    Value x = in.image(in.value(a, 0));
    Shape shape = imageShape(w.shape(), spatial);
    int[] kernel = {shape.dim(2), shape.dim(3)};
    Window window = Window.of(a.node(), x.spec().shape(), spatial, kernel);
    int[] extra = Window.pair(a.node(), "output_padding", 0, spatial);
    int[] size = sizeOfTransposed(a, x.spec().shape(), spatial, window.stride());
    if (size != null) {
      window = window.cutTo(size, x.spec().shape(), extra, auto(a).equals("SAME_UPPER"));
    }
    ConvGeometry geometry = window.convolution(groups(a));
    ConvTranspose2d op = new ConvTranspose2d(geometry, extra[0], extra[1]);
    Value weights = in.weights(a, 1, false, shape);
    Value[] operands = {x, weights};
    if (a.has(2)) {
      int channels = shape.dim(1) * geometry.groups();
      operands = new Value[] {x, weights, in.vector(a, 2, channels, Value.Role.PARAM)};
    }
    in.passImage(a, in.builder().node(a.node().output(), op, operands).output(0), spatial == 1);
  }

  /** The height and width that a transposed convolution is to have; null if its pads say them. */
  private static int[] sizeOfTransposed(Arguments a, Shape x, int spatial, int[] stride) {
    if (a.node().attributes().containsKey("output_shape")) {
      return Window.pair(a.node(), "output_shape", 1, spatial);
    }
    return auto(a).startsWith("SAME")
        ? new int[] {x.dim(2) * stride[0], x.dim(3) * stride[1]}
        : null;
  }

  private static void resize(Importing in, Arguments a) {
    Value x = in.image(in.value(a, 0));
    require(in.value(a, 0).spec().shape().rank() == 4, "only of images [N,C,H,W]");
    require(!a.node().attributes().containsKey("axes"), "axes");
    require(a.node().integer("antialias", 0) == 0, "antialias");
    String policy = a.node().text("keep_aspect_ratio_policy", "stretch");
    require(policy.equals("stretch"), "keep_aspect_ratio_policy " + policy);
    boolean old = a.opset() < 11;
    Constant scales = a.constant(old ? 1 : 2);
    Constant sizes = old ? null : a.constant(3);
    int[] size = new int[2];
    float[] scale = new float[2];
    for (int i = 0; i < 2; i++) {
      int dim = x.spec().shape().dim(2 + i);
      if (sizes != null && sizes.elements() == 4) {
        size[i] = Arguments.size(sizes.integer(2 + i));
        scale[i] = size[i] / (float) dim;
      } else {
        require(scales != null && scales.elements() == 4, "expected four scales or sizes");
        require(scales.real(0) == 1 && scales.real(1) == 1, "scales batch or channels");
        scale[i] = scales.real(2 + i);
        size[i] = (int) Math.floor(dim * scale[i]);
      }
    }
    Resize op =
        new Resize(
            mode(a.node(), old),
            coordinates(a.node(), old, size),
            size[0],
            size[1],
            scale[0],
            scale[1]);
    in.add(a, op, x);
  }

  private static Resize.Mode mode(OnnxNode node, boolean old) {
    String mode = node.text("mode", "nearest");
    if (mode.equals("linear") || mode.equals("bilinear")) {
      return Resize.Mode.LINEAR;
    }
    require(mode.equals("nearest"), "mode " + mode);
    String nearest = node.text("nearest_mode", "round_prefer_floor");
    return switch (old ? "floor" : nearest) {
      case "floor" -> Resize.Mode.NEAREST;
      case "round_prefer_floor" -> Resize.Mode.NEAREST_ROUND;
      default -> throw new IllegalArgumentException("nearest_mode " + nearest);
    };
  }

  private static Resize.Coordinates coordinates(OnnxNode node, boolean old, int[] size) {
    String kind = old ? "asymmetric" : node.text("coordinate_transformation_mode", "half_pixel");
    return switch (kind) {
      case "half_pixel" -> Resize.Coordinates.HALF_PIXEL;
      case "pytorch_half_pixel" -> {
        require(size[0] > 1 && size[1] > 1, "pytorch_half_pixel to one pixel");
        yield Resize.Coordinates.HALF_PIXEL;
      }
      case "align_corners" -> Resize.Coordinates.ALIGN_CORNERS;
      case "asymmetric" -> Resize.Coordinates.ASYMMETRIC;
      default -> throw new IllegalArgumentException("coordinate_transformation_mode " + kind);
    };
  }
}
