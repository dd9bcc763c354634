package org.quantrain.quant;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/** The parameters of learned quantizers, named after them: "relu1.learned_scale". */
public final class LearnedValues {
  /** Start of DSQ's alpha: small, so that the stairs are close to the codes. */
  private static final float SOFTNESS = 0.2f;

  private LearnedValues() {}

  /** Quantizers of a graph that learn, with their nodes. */
  public static List<Node> quantizers(Graph graph) {
    return graph.nodes().stream()
        .filter(n -> n.op() instanceof FakeQuant quant && quant.rule().isLearned())
        .toList();
  }

  /** How many scales the quantizer of this node has. */
  public static int scales(Node quantizer) {
    FakeQuant quant = (FakeQuant) quantizer.op();
    return quant.spec().perChannel() ? quantizer.input(0).spec().shape().dim(0) : 1;
  }

  /** The quantizer's parameters, in the order of {@link ScaleRule#learned()}. */
  public static List<Value> in(GraphBuilder builder, FakeQuant quant, int scales) {
    return quant.rule().learned().stream()
        .map(name -> builder.param(quant.quantizer() + "." + name, TensorSpec.f32(scales)))
        .toList();
  }

  /** Contents before calibration, by name. */
  public static Map<String, HostTensor> initial(Node quantizer) {
    int scales = scales(quantizer);
    String name = ((FakeQuant) quantizer.op()).quantizer();
    return start((FakeQuant) quantizer.op(), QuantizerState.initial(name, scales)::get);
  }

  /**
   * Contents that stand for what calibration found, by name.
   *
   * @param state contents of the quantizer's {@link QuantizerState}, by name
   */
  public static Map<String, HostTensor> start(FakeQuant quant, Function<String, HostTensor> state) {
    String prefix = quant.quantizer() + ".";
    HostTensor scale = state.apply(prefix + "scale");
    Map<String, HostTensor> contents = new LinkedHashMap<>();
    for (String learned : quant.rule().learned()) {
      contents.put(
          prefix + learned,
          switch (learned) {
            case "learned_scale" -> scale;
            case "learned_offset", "lower" -> state.apply(prefix + "range_min");
            case "clip", "upper" -> state.apply(prefix + "range_max");
            case "softness" -> HostTensor.filled(scale.shape(), SOFTNESS);
            default -> throw new IllegalStateException(learned);
          });
    }
    return contents;
  }

  /** Whether weight decay acts on a parameter of this name: the clip of PACT. */
  public static boolean decays(Graph graph, String param) {
    return quantizers(graph).stream()
        .map(n -> (FakeQuant) n.op())
        .anyMatch(q -> q.rule() == ScaleRule.CLIP && param.equals(q.quantizer() + ".clip"));
  }
}
