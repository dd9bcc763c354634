package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Lowering;
import org.quantrain.op.MinMax;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.UpdateQParams;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Networks;

/** The small passes and the pipelines made of them. */
class PassesTest {
  private static final QuantPolicy W4A4 =
      QuantPolicy.forTarget(Target.ORT).weights(4).activations(4);

  private static Set<String> quantizers(Graph graph) {
    return graph.nodes().stream()
        .filter(n -> n.op() instanceof FakeQuant && !n.input(0).isPersistent())
        .map(n -> ((FakeQuant) n.op()).quantizer())
        .collect(Collectors.toSet());
  }

  @Test
  void deadNodesGoAndNodesThatUpdateStateStay() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(2, 3));
    Value y = builder.add("y", new Relu(), x);
    builder.add("dead", new Relu(), builder.add("dead.in", new Relu(), x));
    Value alive = builder.add("stats.in", new Relu(), x);
    builder.node(
        "stats",
        new BatchNormStats(1e-5f, 0.1f),
        alive,
        builder.state("mean", TensorSpec.f32(3)),
        builder.state("var", TensorSpec.f32(3)));
    Graph graph = EliminateDead.apply(builder.build(y));
    assertEquals(
        List.of("y", "stats.in", "stats"), graph.nodes().stream().map(Node::name).toList());
  }

  @Test
  void anAverageOfTheWholeImageIsAGlobalOneAndNoOtherIs() {
    for (int window : new int[] {8, 4}) {
      GraphBuilder builder = new GraphBuilder();
      Value x = builder.input("x", TensorSpec.f32(2, 3, 8, 8));
      Graph graph =
          PoolEverything.apply(
              builder.build(
                  builder.add("y", new AveragePool(PoolWindow.of(window, window), false), x)));
      assertEquals(window == 8, graph.nodes().get(0).op() instanceof GlobalAveragePool);
    }
  }

  @Test
  void observingTouchesEveryActivationQuantizerOnceAndLeavesNone() {
    Graph quantized = Pipelines.quantize(Networks.resnetLike(), W4A4).graph();
    Graph observing = ObserveRanges.apply(quantized);
    List<Node> updates =
        observing.nodes().stream().filter(n -> n.op() instanceof UpdateQParams).toList();
    assertEquals(
        quantizers(quantized),
        updates.stream()
            .map(n -> n.input(5).name().replace(".scale", ""))
            .collect(Collectors.toSet()));
    assertEquals(quantizers(quantized).size(), updates.size());
    assertTrue(observing.nodes().stream().noneMatch(n -> n.op() instanceof FakeQuant));
    // A value with a wide and a narrow quantizer is measured once.
    long measured = observing.nodes().stream().filter(n -> n.op() instanceof MinMax).count();
    assertEquals(
        quantizers(quantized).stream().filter(q -> !q.matches(".*\\.b\\d")).count(), measured);
  }

  @Test
  void batchNormModeChangesEveryBatchNormAndNothingElse() {
    Graph graph = Networks.resnetLike().graph();
    Graph frozen = SetBatchNormMode.apply(graph, BatchNorm.Mode.FROZEN);
    assertEquals(graph.nodes().size(), frozen.nodes().size());
    for (int i = 0; i < graph.nodes().size(); i++) {
      Node was = graph.nodes().get(i);
      Node is = frozen.nodes().get(i);
      assertEquals(was.name(), is.name());
      assertEquals(
          was.op() instanceof BatchNorm bn ? bn.with(BatchNorm.Mode.FROZEN) : was.op(), is.op());
    }
  }

  @Test
  void theLossAddsLabelsLossAndCount() {
    Graph graph = AddLoss.apply(Networks.lenetLike().graph(), 0.1f);
    assertEquals(List.of("input", "labels"), graph.inputs().stream().map(Value::name).toList());
    assertEquals(
        List.of("fc2", "loss", "loss:1"), graph.outputs().stream().map(Value::name).toList());
  }

  @Test
  void aQuantizedModelHasTheInitialStateOfEveryQuantizer() {
    Model quantized = Pipelines.quantize(Networks.resnetLike(), W4A4);
    for (String q : quantizers(quantized.graph())) {
      assertEquals(0, quantized.contents().get(q + ".count").ints()[0], q);
      assertEquals(1f, quantized.contents().get(q + ".scale").floats()[0], q);
    }
  }

  @Test
  void allPhasesShareParametersAndState() {
    Model quantized = Pipelines.quantize(Networks.mobileLike(), W4A4);
    for (Phase phase : Phase.values()) {
      boolean plain = phase == Phase.FLOAT_TRAIN || phase == Phase.FLOAT_EVAL;
      Graph source = plain ? AbsorbBias.apply(Networks.mobileLike()).graph() : quantized.graph();
      Graph graph =
          phase.trains()
              ? Pipelines.training(source, phase, Lowering.INTEGER, 0).graph()
              : Pipelines.evaluation(source, phase, Lowering.INTEGER);
      for (Value v : graph.persistent()) {
        assertEquals(v.spec(), quantized.contents().get(v.name()).spec(), phase + " " + v.name());
      }
    }
  }

  @Test
  void everyTrainingPhaseHasAGradientForEveryParameter() {
    for (Model model :
        List.of(
            Networks.lenetLike(),
            Networks.resnetLike(),
            Networks.mobileLike(),
            Networks.denseLike())) {
      for (QuantPolicy policy : List.of(W4A4, W4A4.perTensorWeights())) {
        Model quantized = Pipelines.quantize(model, policy);
        for (Phase phase : List.of(Phase.TRAIN_DELAYED, Phase.TRAIN, Phase.TRAIN_FROZEN)) {
          TrainingGraph training =
              Pipelines.training(quantized.graph(), phase, Lowering.INTEGER, 0);
          assertEquals(
              Set.copyOf(quantized.graph().params()),
              training.gradients().keySet(),
              model.name() + " " + phase);
        }
      }
    }
  }

  @Test
  void evaluationPhasesDoNotTrain() {
    Graph graph = Networks.lenetLike().graph();
    for (Phase phase : List.of(Phase.FLOAT_EVAL, Phase.CALIBRATE, Phase.EVAL)) {
      assertThrows(
          IllegalArgumentException.class,
          () -> Pipelines.training(graph, phase, Lowering.INTEGER, 0));
    }
  }

  @Test
  void frozenPhasesUpdateNothing() {
    Graph quantized = Pipelines.quantize(Networks.resnetLike(), W4A4).graph();
    for (Graph graph :
        List.of(
            Pipelines.training(quantized, Phase.TRAIN_FROZEN, Lowering.INTEGER, 0).graph(),
            Pipelines.evaluation(quantized, Phase.EVAL, Lowering.INTEGER))) {
      assertTrue(graph.nodes().stream().allMatch(n -> n.op().updates().isEmpty()));
    }
  }
}
