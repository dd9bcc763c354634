package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Linear;
import org.quantrain.op.Relu;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * Puts a depthwise 1x1 convolution with weights 1 before each batch norm of an image that follows
 * no convolution of its own, as in DenseNet or in residual networks with activations in front, and
 * before each ReLU of an image that follows nothing it could be part of: the input, an average.
 * They then become an integer layer like any other; 1 is on every grid of weights, so the function
 * stays the same. The weights are STATE: they are not trained.
 */
public final class InsertIdentities {
  private static final String ONES = ".ones";

  private InsertIdentities() {}

  public static Graph apply(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs =
          new ArrayList<>(
              node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList());
      if (standsAlone(graph, node)) {
        Value ones = ones(builder, node.name(), inputs.get(0));
        inputs.set(0, identity(builder, node.name(), inputs.get(0), ones));
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(map::get).toList());
  }

  /** Weights for the channels of an image; {@link #contents} says what they are. */
  static Value ones(GraphBuilder builder, String name, Value x) {
    return builder.state(name + ONES, TensorSpec.f32(x.spec().shape().dim(1), 1, 1, 1));
  }

  /**
   * The layer that changes nothing.
   *
   * @param weights of {@link #ones}, quantized or not
   */
  static Value identity(GraphBuilder builder, String name, Value x, Value weights) {
    Conv2d op = new Conv2d(ConvGeometry.of(1, 0).withGroups(x.spec().shape().dim(1)));
    return builder.add(name + ".depthwise", op, x, weights);
  }

  /** Contents of all {@link #ones} of a graph. */
  static Map<String, HostTensor> contents(Graph graph) {
    Map<String, HostTensor> contents = new HashMap<>();
    for (Value v : graph.persistent()) {
      if (v.name().endsWith(ONES) && v.role() == Value.Role.STATE) {
        contents.put(v.name(), HostTensor.filled(v.spec().shape(), 1));
      }
    }
    return contents;
  }

  private static boolean standsAlone(Graph graph, Node node) {
    Value x = node.input(0);
    Op before = graph.producer(x).map(Node::op).orElse(null);
    boolean layer = before instanceof Conv2d || before instanceof Linear;
    boolean readOnce = graph.consumers(x).size() == 1 && !graph.outputs().contains(x);
    boolean alone =
        node.op() instanceof BatchNorm
            ? !(layer && readOnce)
            : node.op() instanceof Relu
                && !(layer
                    || before instanceof BatchNorm
                    || before instanceof Add
                    || before instanceof Relu);
    return alone && x.spec().shape().rank() == 4;
  }
}
