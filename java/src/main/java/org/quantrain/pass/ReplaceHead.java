package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Linear;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gives a network a new last linear layer, for other classes than those it was trained for: weights
 * normal with variance 1 / inputs, bias 0. Every other weight stays.
 */
public final class ReplaceHead {
  private ReplaceHead() {}

  /**
   * @param classes at least 2
   * @param seed of the new weights
   * @throws GraphException if the logits are not the result of a linear layer
   */
  public static Model apply(Model model, int classes, long seed) {
    Graph graph = model.graph();
    Node head = graph.producer(graph.outputs().get(0)).orElse(null);
    if (head == null || !(head.op() instanceof Linear)) {
      throw new GraphException(
          "the head cannot be replaced: the logits come from %s, not from a linear layer"
              .formatted(head == null ? "the input" : head.op().kind() + " " + head.name()));
    }
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Map<String, HostTensor> contents = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = new ArrayList<>();
      node.inputs().forEach(v -> inputs.add(map.getOrDefault(v, v)));
      if (node == head) {
        int features = inputs.get(0).spec().shape().dim(1);
        inputs.subList(1, inputs.size()).clear();
        inputs.add(weight(builder, contents, head.name() + ".weight", classes, features, seed));
        inputs.add(builder.param(head.name() + ".bias", TensorSpec.f32(classes)));
        contents.put(inputs.get(2).name(), HostTensor.filled(Shape.of(classes), 0));
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    Graph changed = builder.build(graph.outputs().stream().map(map::get).toList());
    for (Value v : changed.persistent()) {
      contents.computeIfAbsent(v.name(), model.contents()::get);
    }
    return new Model(model.name(), changed, contents);
  }

  private static Value weight(
      GraphBuilder builder,
      Map<String, HostTensor> contents,
      String name,
      int classes,
      int features,
      long seed) {
    Shape shape = Shape.of(classes, features);
    Random random = new Random(seed);
    float[] values = new float[Math.toIntExact(shape.elements())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() / Math.sqrt(features));
    }
    Value weight = builder.param(name, new TensorSpec(DType.F32, shape));
    contents.put(weight.name(), HostTensor.of(shape, values));
    return weight;
  }
}
