package org.quantrain.pass;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Pad;
import org.quantrain.op.Reshape;
import org.quantrain.op.Slice;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Makes convolutions of transposed ones: zeros go between the rows and columns of the image, as
 * many as the stride says, and the weights [C,K/groups,R,S] become [K,C/groups,R,S], turned by half
 * a turn. So they get batch norm folded in, scales per output channel and the arithmetic of any
 * convolution; ONNX Runtime has no integer transposed one, but it has these, and moves codes. The
 * price are products with zeros, stride^2 times as many as without.
 *
 * <p>Weights that something else reads too stay, with their layer; so does a layer whose image with
 * zeros is far larger than any that a network has.
 */
public final class ConvolveTransposed {
  private static final long MOST_CELLS = 1L << 26;

  private final Model model;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents;

  private ConvolveTransposed(Model model) {
    this.model = model;
    this.contents = new HashMap<>(model.contents());
  }

  public static Model apply(Model model) {
    return new ConvolveTransposed(model).run();
  }

  private Model run() {
    Map<Value, Value> map = new HashMap<>();
    model.graph().inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : model.graph().nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      if (node.op() instanceof ConvTranspose2d op && isAlone(node) && isSmall(node, op)) {
        map.put(node.output(), convolution(node, op, inputs));
        continue;
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    List<Value> outputs = model.graph().outputs().stream().map(map::get).toList();
    return new Model(model.name(), builder.build(outputs), contents);
  }

  /** Whether nothing else reads the weights. */
  private boolean isAlone(Node node) {
    Value w = node.input(1);
    return w.isPersistent() && model.graph().consumers(w).equals(List.of(node));
  }

  /** Cells of one image with zeros, all channels. */
  private static boolean isSmall(Node node, ConvTranspose2d op) {
    Shape x = node.input(0).spec().shape();
    ConvGeometry g = op.geometry();
    double rows = (double) x.dim(2) * g.strideH();
    double columns = (double) x.dim(3) * g.strideW();
    return x.dim(1) * rows * columns <= MOST_CELLS;
  }

  private Value convolution(Node node, ConvTranspose2d op, List<Value> inputs) {
    ConvGeometry g = op.geometry();
    Shape w = node.input(1).spec().shape();
    int reachH = g.dilationH() * (w.dim(2) - 1);
    int reachW = g.dilationW() * (w.dim(3) - 1);
    // The zeros behind the last row and column are padding already.
    int top = reachH - g.padTop();
    int left = reachW - g.padLeft();
    int bottom = reachH - g.padBottom() + op.extraH() - (g.strideH() - 1);
    int right = reachW - g.padRight() + op.extraW() - (g.strideW() - 1);
    Value x = spread(node.name(), inputs.get(0), g.strideH(), g.strideW());
    x = cut(node.name() + ".rows", x, 2, top, bottom);
    x = cut(node.name() + ".columns", x, 3, left, right);
    ConvGeometry geometry =
        new ConvGeometry(
            1,
            1,
            Math.max(top, 0),
            Math.max(left, 0),
            Math.max(bottom, 0),
            Math.max(right, 0),
            g.dilationH(),
            g.dilationW(),
            g.groups());
    Value weights = weights(node.input(1), g.groups());
    return inputs.size() == 2
        ? builder.add(node.name(), new Conv2d(geometry), x, weights)
        : builder.add(node.name(), new Conv2d(geometry), x, weights, inputs.get(2));
  }

  /** Each cell becomes the first of strideH x strideW, the others are 0. */
  private Value spread(String name, Value x, int strideH, int strideW) {
    if (strideH == 1 && strideW == 1) {
      return x;
    }
    Shape s = x.spec().shape();
    Value cells = Transpose.relayout(builder, name + ".planes", x, Layout.ROW_MAJOR);
    Shape apart = Shape.of(s.dim(0), s.dim(1), s.dim(2), 1, s.dim(3), 1);
    cells = builder.add(name + ".cells", new Reshape(apart), cells);
    List<Integer> none = List.of(0, 0, 0, 0, 0, 0);
    List<Integer> behind = List.of(0, 0, 0, strideH - 1, 0, strideW - 1);
    cells = builder.add(name + ".zeros", new Pad(none, behind, 0), cells);
    Shape image = Shape.of(s.dim(0), s.dim(1), s.dim(2) * strideH, s.dim(3) * strideW);
    cells = builder.add(name + ".spread", new Reshape(image), cells);
    return Transpose.relayout(builder, name + ".image", cells, Layout.CHANNELS_LAST);
  }

  /** Takes off what a negative padding says. */
  private Value cut(String name, Value x, int axis, int before, int after) {
    if (before >= 0 && after >= 0) {
      return x;
    }
    int start = Math.max(-before, 0);
    int size = x.spec().shape().dim(axis) - start - Math.max(-after, 0);
    return builder.add(name, new Slice(axis, start, 1, size), x);
  }

  private Value weights(Value w, int groups) {
    Shape from = w.spec().shape();
    int in = from.dim(0) / groups;
    int out = from.dim(1);
    int cells = from.dim(2) * from.dim(3);
    Shape to = Shape.of(out * groups, in, from.dim(2), from.dim(3));
    // In memory [C,R,S,K/groups] and [K,R,S,C/groups].
    float[] before = contents.get(w.name()).floats();
    float[] turned = new float[before.length];
    for (int c = 0; c < in * groups; c++) {
      int group = c / in;
      for (int cell = 0; cell < cells; cell++) {
        for (int k = 0; k < out; k++) {
          int at = ((group * out + k) * cells + cells - 1 - cell) * in + c % in;
          turned[at] = before[(c * cells + cell) * out + k];
        }
      }
    }
    contents.put(w.name(), HostTensor.of(to, turned));
    TensorSpec spec = TensorSpec.f32(to.dims());
    return w.role() == Value.Role.PARAM
        ? builder.param(w.name(), spec)
        : builder.state(w.name(), spec);
  }
}
