package org.quantrain.pass;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Linear;
import org.quantrain.tensor.HostTensor;

/**
 * Removes the bias of a layer that batch norm follows. Batch norm subtracts the mean, so such a
 * bias moves nothing but the running mean, which becomes mean - bias.
 */
public final class AbsorbBias {
  private AbsorbBias() {}

  public static Model apply(Model model) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    model.graph().inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : model.graph().nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      List<Node> readers = model.graph().consumers(node.output(0));
      boolean layer = node.op() instanceof Conv2d || node.op() instanceof Linear;
      if (layer
          && inputs.size() == 3
          && readers.size() == 1
          && readers.get(0).op() instanceof BatchNorm
          && !model.graph().outputs().contains(node.output(0))) {
        String mean = readers.get(0).input(3).name();
        contents.put(mean, minus(contents.get(mean), contents.get(inputs.get(2).name())));
        inputs = inputs.subList(0, 2);
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return new Model(
        model.name(),
        builder.build(model.graph().outputs().stream().map(map::get).toList()),
        contents);
  }

  private static HostTensor minus(HostTensor a, HostTensor b) {
    float[] difference = a.floats();
    float[] bias = b.floats();
    for (int i = 0; i < difference.length; i++) {
      difference[i] -= bias[i];
    }
    return HostTensor.of(a.shape(), difference);
  }
}
