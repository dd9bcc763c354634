package org.quantrain.pass;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * Where all scales are powers of two, a sum of 2^n cells becomes their average by a shift, and one
 * of another number does not. The latter becomes a depthwise convolution with weights 1 / cells, an
 * integer layer like any other; its 8-bit weights are off by 1 part in 127 at most. They are STATE:
 * they are not trained.
 */
final class ConvolveAverages {
  private ConvolveAverages() {}

  /**
   * @throws GraphException if an average leaves its padding out: its cells differ in number
   */
  static Model apply(Model model) {
    Graph graph = model.graph();
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      PoolWindow window = window(node);
      boolean shifts = window == null || Integer.bitCount(cells(window)) == 1;
      Node made =
          shifts
              ? builder.node(node.name(), node.op(), inputs)
              : convolution(builder, contents, node.name(), inputs.get(0), window);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    List<Value> outputs = graph.outputs().stream().map(map::get).toList();
    return new Model(model.name(), builder.build(outputs), contents);
  }

  private static PoolWindow window(Node node) {
    if (node.op() instanceof GlobalAveragePool) {
      return AveragePoolOnGrid.global(node.input(0).spec().shape()).window();
    } else if (!(node.op() instanceof AveragePool pool)) {
      return null;
    } else if (pool.window().isPadded() && !pool.countPadding()) {
      throw new GraphException(
          node
              + ": an average without its padding is of another number of cells at the border; where"
              + " scales are powers of two it must count the padding (count_include_pad = 1)");
    } else {
      return pool.window();
    }
  }

  private static int cells(PoolWindow window) {
    return window.kernelH() * window.kernelW();
  }

  private static Node convolution(
      GraphBuilder builder,
      Map<String, HostTensor> contents,
      String name,
      Value x,
      PoolWindow w) {
    int channels = x.spec().shape().dim(1);
    TensorSpec spec = TensorSpec.f32(channels, 1, w.kernelH(), w.kernelW());
    Value weights = builder.state(name + ".average_weights", spec);
    contents.put(weights.name(), HostTensor.filled(spec.shape(), 1f / cells(w)));
    ConvGeometry geometry =
        new ConvGeometry(
            w.strideH(),
            w.strideW(),
            w.padTop(),
            w.padLeft(),
            w.padBottom(),
            w.padRight(),
            1,
            1,
            channels);
    return builder.node(name, new Conv2d(geometry), x, weights);
  }
}
