package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Histogram;
import org.quantrain.op.MinMax;
import org.quantrain.op.MseRange;
import org.quantrain.op.RangeRule;
import org.quantrain.op.UpdateQParams;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.HistogramState;
import org.quantrain.quant.QuantizerState;
import org.quantrain.tensor.TensorSpec;

/**
 * Float execution of a graph with quantizers: they leave their values as they are, and what they
 * are asked to they observe.
 */
public final class ObserveRanges {
  /** What is behind a quantizer's name in those of the states that {@link #found} reads. */
  public static final String FOUND_MIN = ".found_min";

  /** Likewise. */
  public static final String FOUND_MAX = ".found_max";

  private final Graph graph;
  private final GraphBuilder builder = new GraphBuilder();

  /** The range of a value that several quantizers observe. */
  private final Map<Value, Node> observed = new HashMap<>();

  private ObserveRanges(Graph graph) {
    this.graph = graph;
  }

  /** What a quantizer adds to the graph. */
  private interface Observation {
    /**
     * @param node of the quantizer in the graph with quantizers
     * @param x its value in the graph that is built
     */
    void add(Node node, FakeQuant quant, Value x);
  }

  /** Observed activation quantizers follow the batches' extremes by moving average. */
  public static Graph apply(Graph graph) {
    ObserveRanges pass = new ObserveRanges(graph);
    return pass.run((node, quant, x) -> pass.extremes(node, quant, x, RangeRule.MOVING_AVERAGE));
  }

  /** Likewise, and learned quantizers, of weights too, the range of least squared error. */
  public static Graph calibrating(Graph graph) {
    ObserveRanges pass = new ObserveRanges(graph);
    return pass.run(
        (node, quant, x) -> {
          if (quant.rule().isLearned()) {
            Node range = pass.builder.node(node.name() + ".range", new MseRange(quant.spec()), x);
            RangeRule rule = RangeRule.MOVING_AVERAGE;
            update(pass.builder, quant, range.output(0), range.output(1), rule);
          } else {
            pass.extremes(node, quant, x, RangeRule.MOVING_AVERAGE);
          }
        });
  }

  /** Observed activation quantizers collect what a calibrator needs. */
  public static Graph calibrating(Graph graph, Calibrator calibrator) {
    ObserveRanges pass = new ObserveRanges(graph);
    return pass.run(
        (node, quant, x) -> {
          if (calibrator.countsValues()) {
            pass.histogram(quant, x);
          } else {
            pass.extremes(node, quant, x, RangeRule.EXTREMES);
          }
        });
  }

  /**
   * No network, but the step from ranges that were found otherwise to scales and zero-points: for
   * each observed activation quantizer Q the states {@code Q.found_min} and {@code Q.found_max}
   * become its range, if nothing was observed before.
   */
  public static Graph found(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof FakeQuant quant && isObserved(quant, node.input(0))) {
        Value min = builder.state(quant.quantizer() + FOUND_MIN, TensorSpec.f32(1));
        Value max = builder.state(quant.quantizer() + FOUND_MAX, TensorSpec.f32(1));
        update(builder, quant, min, max, RangeRule.EXTREMES);
      }
    }
    return builder.build();
  }

  /** Nothing is observed: the network as it was before it was quantized. */
  public static Graph nothing(Graph graph) {
    return new ObserveRanges(graph).run((node, quant, x) -> {});
  }

  private Graph run(Observation observation) {
    Map<Value, Value> map = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = new ArrayList<>();
      node.inputs().forEach(v -> inputs.add(map.getOrDefault(v, v)));
      if (node.op() instanceof FakeQuant quant) {
        map.put(node.output(), inputs.get(0));
        observation.add(node, quant, inputs.get(0));
        continue;
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(v -> map.getOrDefault(v, v)).toList());
  }

  private void extremes(Node node, FakeQuant quant, Value x, RangeRule rule) {
    if (isObserved(quant, x)) {
      Node range =
          observed.computeIfAbsent(x, v -> builder.node(node.name() + ".range", new MinMax(), v));
      update(builder, quant, range.output(0), range.output(1), rule);
    }
  }

  /** An activation whose range is not learned. */
  public static boolean isObserved(FakeQuant quant, Value x) {
    return !quant.rule().isLearned() && !x.isPersistent();
  }

  private void histogram(FakeQuant quant, Value x) {
    if (isObserved(quant, x)) {
      HistogramState state = HistogramState.in(builder, quant.quantizer());
      builder.node(
          quant.quantizer() + ".histogram",
          new Histogram(HistogramState.BINS),
          x,
          state.counts(),
          state.exponent(),
          state.nans(),
          state.infinities());
    }
  }

  /** Adds the node that moves a quantizer's range by one batch. */
  static void update(
      GraphBuilder builder, FakeQuant quant, Value batchMin, Value batchMax, RangeRule rule) {
    int scales = batchMin.spec().shape().dim(0);
    QuantizerState state = QuantizerState.in(builder, quant.quantizer(), scales);
    builder.node(
        quant.quantizer() + ".update",
        new UpdateQParams(quant.spec(), rule),
        batchMin,
        batchMax,
        state.rangeMin(),
        state.rangeMax(),
        state.count(),
        state.scale(),
        state.zeroPoint());
  }
}
