package org.quantrain;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Linear;
import org.quantrain.tensor.Shape;

/**
 * A convolution or linear layer at a glance.
 *
 * @param kind "conv", "depthwise", or "linear"
 * @param weight name of its weight parameter
 * @param weightBits 32 in a float network
 * @param inputBits 32 in a float network
 * @param inputQuantizer quantizer of its input, null in a float network or where the input keeps a
 *     pooled grid
 * @param output shape of its output for one image
 * @param multiplyAdds for one image
 */
public record LayerInfo(
    String name,
    String kind,
    String weight,
    Shape weightShape,
    int weightBits,
    int inputBits,
    String inputQuantizer,
    Shape output,
    long parameters,
    long multiplyAdds) {

  /** The layers of a model, with or without quantizers, in order. */
  static List<LayerInfo> of(Model model) {
    List<LayerInfo> layers = new ArrayList<>();
    Graph graph = model.graph();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof Conv2d || node.op() instanceof Linear) {
        layers.add(of(graph, node));
      }
    }
    return layers;
  }

  private static LayerInfo of(Graph graph, Node node) {
    FakeQuant weightGrid = quantizer(graph, node.input(1));
    Value weight =
        weightGrid == null ? node.input(1) : graph.producer(node.input(1)).orElseThrow().input(0);
    FakeQuant inputGrid = gridOf(graph, node.input(0));
    FakeQuant direct = quantizer(graph, node.input(0));
    Shape w = weight.spec().shape();
    Shape y = node.output().spec().shape();
    long perOutput = w.elementsPerSample();
    String kind = "linear";
    if (node.op() instanceof Conv2d conv) {
      kind =
          conv.geometry().groups() > 1 && conv.geometry().groups() == w.dim(0)
              ? "depthwise"
              : "conv";
    }
    long bias = node.inputs().size() > 2 ? w.dim(0) : 0;
    return new LayerInfo(
        node.name(),
        kind,
        weight.name(),
        w,
        weightGrid == null ? 32 : weightGrid.spec().bits(),
        inputGrid == null ? 32 : inputGrid.spec().bits(),
        direct == null ? null : direct.quantizer(),
        y.withBatch(1),
        (weight.role() == Value.Role.PARAM ? w.elements() : 0) + bias,
        perOutput * y.elementsPerSample());
  }

  private static FakeQuant quantizer(Graph graph, Value value) {
    return graph.producer(value).map(Node::op).orElse(null) instanceof FakeQuant q ? q : null;
  }

  /** The grid a value is on, looking through operations that keep it. */
  private static FakeQuant gridOf(Graph graph, Value value) {
    Node producer = graph.producer(value).orElse(null);
    if (producer == null || producer.op() instanceof FakeQuant) {
      return quantizer(graph, value);
    }
    return gridOf(graph, producer.input(0));
  }
}
