package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Linear;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Puts a depthwise 1x1 convolution with weights 1 before each batch norm of an image that follows
 * no convolution of its own, as in DenseNet or in residual networks with activations in front. Such
 * a batch norm then becomes an integer layer like any other; 1 is on every grid of weights, so the
 * function stays the same. The weights are STATE: they are not trained.
 */
public final class ConvolveBatchNorm {
  private ConvolveBatchNorm() {}

  public static Model apply(Model model) {
    Graph graph = model.graph();
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs =
          new ArrayList<>(
              node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList());
      if (node.op() instanceof BatchNorm && standsAlone(graph, node)) {
        int channels = inputs.get(0).spec().shape().dim(1);
        Shape shape = Shape.of(channels, 1, 1, 1);
        Value ones = builder.state(node.name() + ".ones", TensorSpec.f32(channels, 1, 1, 1));
        contents.put(ones.name(), HostTensor.filled(shape, 1));
        Conv2d identity = new Conv2d(ConvGeometry.of(1, 0).withGroups(channels));
        inputs.set(0, builder.add(node.name() + ".depthwise", identity, inputs.get(0), ones));
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return new Model(
        model.name(), builder.build(graph.outputs().stream().map(map::get).toList()), contents);
  }

  private static boolean standsAlone(Graph graph, Node norm) {
    Value x = norm.input(0);
    boolean layer =
        graph
            .producer(x)
            .filter(n -> n.op() instanceof Conv2d || n.op() instanceof Linear)
            .isPresent();
    boolean alone = graph.consumers(x).size() == 1 && !graph.outputs().contains(x);
    return x.spec().shape().rank() == 4 && !(layer && alone);
  }
}
